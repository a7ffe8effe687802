//! The audit log as the database keeps it.

use sqlx::Executor;

use crate::harness::TestApp;

#[tokio::test]
async fn the_application_role_appends_and_reads_and_can_do_nothing_else() {
    let app = TestApp::start().await;
    for statement in [
        "UPDATE audit_events SET action = 'forged'",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        "ALTER TABLE audit_events DISABLE TRIGGER ALL",
        "DROP TABLE audit_events",
    ] {
        let error = app.app.db.execute(statement).await.expect_err(statement);
        let code = error.as_database_error().and_then(|error| error.code().map(|code| code.to_string()));
        assert_eq!(code.as_deref(), Some("42501"), "{statement}: insufficient privilege, not {error}");
    }
    assert_eq!(app.audit().await.len(), 1, "the entry of the first start is untouched");
}

#[tokio::test]
async fn not_even_the_owner_changes_an_entry_by_a_plain_statement() {
    let app = TestApp::start().await;
    let mut owner = app.owner().await;
    for statement in
        ["UPDATE audit_events SET action = 'forged'", "DELETE FROM audit_events", "TRUNCATE audit_events"]
    {
        let error = owner.execute(statement).await.expect_err(statement);
        assert!(error.to_string().contains("audit_events is append-only"), "{statement}: {error}");
    }
}

#[tokio::test]
async fn a_change_is_recorded_with_its_caller_and_the_object() {
    let app = TestApp::start().await;
    app.token("ci", "viewer").await;
    let entries = app.audit().await;
    assert_eq!(entries[0]["action"], "token.create");
    assert_eq!(entries[0]["outcome"], "done");
    assert_eq!(entries[0]["actor"]["kind"], "token");
    assert_eq!(entries[0]["target_name"], "ci");
    assert_eq!(entries[0]["after"]["role"], "viewer");
    assert_eq!(entries[0]["recorded_at"], "2026-03-01T12:00:00.123456Z");
    assert!(entries[0]["request_id"].is_string());
}
