//! The name of a container.

/// Checks Azure's rules, which Azure would apply only at run time. The error is a message and a hint.
/// Source: <https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata>
pub fn check_container(name: &str) -> Result<(), (&'static str, &'static str)> {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let edges = name.starts_with('-') || name.ends_with('-') || name.contains("--");
    if !(3..=63).contains(&name.len()) || !name.bytes().all(good) || edges {
        let hint = "use 3 to 63 lower-case letters, digits and single `-` between them";
        return Err(("`container` isn't a valid name of a container", hint));
    }
    Ok(())
}
