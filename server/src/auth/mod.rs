//! Who is calling, and what a caller may do.
//!
//! An operator presents an API token or a JWT that was given in exchange for one. Both lead to the row of the API
//! token, which is read for every request: a deleted or expired token ends its JWTs at once. An agent presents a
//! JWT that it signed with its own key.

mod authenticate;
pub mod jwt;
mod permissions;
mod refusals;
mod seal;
mod secret_token;
mod signing_keys;

pub use authenticate::{AuthenticateError, Identity, authenticate, redeem};
pub use permissions::{Access, Permission, allows};
pub use refusals::RefusalLog;
pub use seal::{SealError, SealKey};
pub use secret_token::{SecretToken, TokenPrefix, sha256};
pub use signing_keys::{SigningKeys, SigningKeysError};
