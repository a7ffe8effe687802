//! What an interface can be called.

/// The most octets of an interface's name (`IFNAMSIZ` without the final NUL).
const MAX_OCTETS: usize = 15;

/// Why an interface cannot be called `name`, if so: the kernel's own rule (`dev_valid_name`), less the characters
/// outside ASCII.
#[must_use]
pub fn fault(name: &str) -> Option<String> {
    let printable = name.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'/' && octet != b':');
    let length_fits = (1..=MAX_OCTETS).contains(&name.len());
    let fits = length_fits && printable && name != "." && name != "..";
    (!fits).then(|| {
        format!(
            "{name:?} is not the name of an interface: allowed are 1 to {MAX_OCTETS} printable ASCII characters but \
             '/' and ':'"
        )
    })
}
