//! How the tasks of a server end when it stops.

use std::io::Write;
use std::sync::{Arc, Mutex};

use baton_server::agents;
use baton_server::app::{App, Stopping};
use sqlx::PgPool;
use tokio::sync::watch;
use tracing_subscriber::fmt::MakeWriter;

use crate::harness::{TestApp, eventually};

/// What was logged as a warning or worse, on this thread.
#[derive(Clone, Default)]
struct Alarms(Arc<Mutex<Vec<u8>>>);

impl Write for Alarms {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(octets)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Alarms {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_pool_that_closes_with_the_server_is_no_lost_listener() {
    let inner = TestApp::start().await;
    let alarms = Alarms::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(alarms.clone());
    let _logging = tracing::subscriber::set_default(subscriber.finish());
    // Which of the two the task sees first is left to chance, again and again.
    for _ in 0..16 {
        let db = PgPool::connect_with((*inner.app.db.connect_options()).clone()).await.unwrap();
        let (stop, stopping) = watch::channel(false);
        let app = App { db: db.clone(), stopping: Stopping::following(stopping), ..inner.app.clone() };
        let pushing = tokio::spawn(agents::push::run(app));
        eventually("the server listens", async || listeners(&inner).await == 1).await;
        stop.send_replace(true);
        db.close().await;
        pushing.await.unwrap();
        eventually("the listener is gone", async || listeners(&inner).await == 0).await;
    }
    let logged = String::from_utf8(alarms.0.lock().unwrap().clone()).unwrap();
    assert_eq!(logged, "");
}

async fn listeners(app: &TestApp) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'",
    )
    .fetch_one(&app.app.db)
    .await
    .unwrap()
}
