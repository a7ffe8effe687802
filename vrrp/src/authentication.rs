//! What version 2 carries beside its addresses.

use std::fmt;

/// How routers of version 2 recognise each other. RFC 3768 §5.3.6 has abolished it; RFC 2338 §5.3.6 had it, and
/// routers in the field still do. It protects from mistakes and from nothing else: whoever hears one advertisement
/// knows the text.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum Authentication {
    /// None: authentication type 0.
    #[default]
    None,
    /// A text in every advertisement: authentication type 1. Shorter ones end in zeros.
    SimpleText([u8; 8]),
}

impl Authentication {
    /// Type 1 with this text; `None` when it is empty or longer than eight octets.
    #[must_use]
    pub fn simple_text(text: &str) -> Option<Self> {
        let mut data = [0; 8];
        data.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        (!text.is_empty()).then_some(Self::SimpleText(data))
    }

    /// The authentication type of the packet (RFC 3768 §5.3.6).
    #[must_use]
    pub const fn octet(self) -> u8 {
        match self {
            Self::None => 0,
            Self::SimpleText(_) => 1,
        }
    }

    /// The authentication data of the packet (RFC 3768 §5.3.10).
    #[must_use]
    pub const fn data(self) -> [u8; 8] {
        match self {
            Self::None => [0; 8],
            Self::SimpleText(data) => data,
        }
    }
}

/// Without the text: it has no place in a log.
impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::SimpleText(_) => "simple text",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_to_eight_octets_and_zeros_behind_it() {
        assert_eq!(Authentication::simple_text("pass").unwrap().data(), *b"pass\0\0\0\0");
        assert_eq!(Authentication::simple_text("12345678").unwrap().data(), *b"12345678");
        assert_eq!((Authentication::simple_text(""), Authentication::simple_text("123456789")), (None, None));
        assert_eq!((Authentication::None.octet(), Authentication::None.data()), (0, [0; 8]));
    }

    #[test]
    fn the_text_is_not_shown() {
        assert_eq!(format!("{:?}", Authentication::simple_text("secret").unwrap()), "simple text");
    }
}
