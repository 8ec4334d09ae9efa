//! Paths in a tree: what may be named, checked before anything is created.

/// The longest component in bytes, as every file system below us has it.
pub const PATH_COMPONENT_MAX: usize = 255;

/// The longest path in bytes, and the longest target of a symbolic link.
pub const PATH_MAX: usize = 4095;

/// Why a path cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, displaydoc::Display, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// the path is empty
    Empty,
    /// the path is longer than 4095 bytes
    TooLong,
    /// the path begins with a slash: paths are relative to the tree
    Absolute,
    /// a component of the path is empty
    EmptyComponent,
    /// a component of the path is `.` or `..`
    Traversal,
    /// a component of the path is longer than 255 bytes
    ComponentTooLong,
    /// the path has a zero byte
    Zero,
}

/// Checks a path relative to a tree: components of 1 to 255 bytes joined by `/`, none `.` or `..`, no
/// zero bytes, at most 4095 bytes in all. Any other byte is allowed.
pub fn check_path(path: &[u8]) -> Result<(), PathError> {
    match path {
        [] => return Err(PathError::Empty),
        [b'/', ..] => return Err(PathError::Absolute),
        long if long.len() > PATH_MAX => return Err(PathError::TooLong),
        zero if zero.contains(&0) => return Err(PathError::Zero),
        _ => {}
    }
    for component in path.split(|byte| *byte == b'/') {
        match component {
            [] => return Err(PathError::EmptyComponent),
            b"." | b".." => return Err(PathError::Traversal),
            long if long.len() > PATH_COMPONENT_MAX => return Err(PathError::ComponentTooLong),
            _ => {}
        }
    }
    Ok(())
}

/// Checks the target of a symbolic link: it is kept, never followed, so it may point anywhere.
pub fn check_link_target(target: &[u8]) -> Result<(), PathError> {
    match target {
        [] => Err(PathError::Empty),
        long if long.len() > PATH_MAX => Err(PathError::TooLong),
        zero if zero.contains(&0) => Err(PathError::Zero),
        _ => Ok(()),
    }
}
