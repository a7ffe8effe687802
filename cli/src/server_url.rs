//! The URL of a server, as people write it.

use reqwest::Url;
use thiserror::Error;

/// Why a text is not where a server can be asked.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum UrlError {
    #[error("{server:?} is not the URL of a server: write it like https://baton.example:8443")]
    Malformed { server: String },
    #[error("{server:?} would send the API token in the clear: the URL must begin with https://")]
    Clear { server: String },
    #[error(
        "{server:?} is more than the URL of a server: write it like https://baton.example:8443, with nothing \
         behind the port"
    )]
    Path { server: String },
}

/// One spelling for one server.
pub(crate) fn normal(server: &str) -> String {
    server.trim().trim_end_matches('/').to_owned()
}

/// The URL of a server, to which paths can be added.
///
/// # Errors
/// [`UrlError`] when it is anything but `https://`, a host and perhaps a port.
pub(crate) fn parse(server: &str) -> Result<Url, UrlError> {
    let refuse = || UrlError::Malformed { server: server.to_owned() };
    let url = Url::parse(server).map_err(|_| refuse())?;
    match url.scheme() {
        "https" if !url.has_host() || !url.username().is_empty() || url.password().is_some() => Err(refuse()),
        "https" if url.path() != "/" || url.query().is_some() || url.fragment().is_some() => {
            Err(UrlError::Path { server: server.to_owned() })
        }
        "https" => Ok(url),
        "http" => Err(UrlError::Clear { server: server.to_owned() }),
        _ => Err(refuse()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_would_send_the_token_in_the_clear_is_refused() {
        assert!(matches!(parse("http://baton.example:8443"), Err(UrlError::Clear { .. })));
        for bad in ["baton.example:8443", "baton", "", "ftp://baton.example", "https://", "https://me@host"] {
            assert!(matches!(parse(bad), Err(UrlError::Malformed { .. })), "{bad}");
        }
        assert!(parse("https://[2001:db8::1]:8443").is_ok());
    }

    #[test]
    fn a_url_with_more_than_a_host_and_a_port_is_refused_with_the_form_that_is_wanted() {
        for bad in ["https://host/api", "https://host:8443/api/v1", "https://host/?a", "https://host#a"] {
            let refused = parse(bad).unwrap_err();
            assert!(matches!(refused, UrlError::Path { .. }), "{bad}");
            assert!(refused.to_string().contains("like https://baton.example:8443"), "{refused}");
        }
        assert!(parse(&normal("https://host:8443/")).is_ok());
    }
}
