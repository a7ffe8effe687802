//! Values that must come in the spelling in which they are answered, so that nothing is ever changed on the way.

use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::de::{Deserialize, Deserializer, Error};

/// A value whose text is exactly what the value would be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Canonical<T>(pub(super) T);

/// A value that is read from text.
pub(super) trait Spelt: FromStr + Display {
    /// What it is, with an example of how it is written.
    const WHAT: &str;
}

impl Spelt for IpNet {
    const WHAT: &str = "a prefix: write it like 192.0.2.0/24";
}

impl Spelt for IpAddr {
    const WHAT: &str = "an address: write it like 192.0.2.4";
}

impl<'de, T: Spelt> Deserialize<'de> for Canonical<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let value: T = text.parse().map_err(|_| D::Error::custom(format!("{text:?} is not {}", T::WHAT)))?;
        let wanted = value.to_string();
        if wanted == text {
            Ok(Self(value))
        } else {
            Err(D::Error::custom(format!("{text:?} is not the canonical spelling: write it as {wanted:?}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn another_spelling_is_refused_with_the_wanted_one() {
        let prefix = |text: &str| {
            serde_json::from_value::<Canonical<IpNet>>(json!(text)).map_err(|error| error.to_string())
        };
        assert!(prefix("192.0.2.0/24").is_ok());
        assert!(prefix("192.0.2.1/24").is_ok(), "the rule of the segment says what is wrong with it");
        assert_eq!(
            prefix("10.0.0.00/8"),
            Err("\"10.0.0.00/8\" is not the canonical spelling: write it as \"10.0.0.0/8\"".to_owned())
        );
        assert!(prefix("2001:DB8::/32").is_err());
        assert_eq!(prefix("ten"), Err("\"ten\" is not a prefix: write it like 192.0.2.0/24".to_owned()));
        let address = |text: &str| serde_json::from_value::<Canonical<IpAddr>>(json!(text)).is_ok();
        assert!(address("192.0.2.4") && address("2001:db8::4"));
        assert!(!address("2001:DB8::4") && !address("192.0.2.04") && !address("192.0.2.4/32"));
    }
}
