//! The limit of open files, raised as far as the system allows.
//!
//! It owns the limit and the number of connections that fit below it. Without that bound, a full server could not open
//! its own data files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for data files, listeners, threads and the control socket.
const OWN: u64 = 1_024 + 256;

/// Raises the limit, and returns how many of `wanted` connections fit below it.
pub(crate) fn connections(wanted: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let needed = wanted.saturating_add(OWN);
    let mut current = limit.current;
    if current.is_some_and(|current| current < needed) {
        // Only as far as needed: some libraries iterate over all possible descriptors.
        let raised = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
        let new = Rlimit {
            current: Some(raised),
            maximum: limit.maximum,
        };
        match setrlimit(Resource::Nofile, new) {
            Ok(()) => current = Some(raised),
            Err(error) => {
                log::warn!("cannot raise the limit of open files to {raised}: {error}")
            }
        }
    }
    let fitting = fitting(current, wanted);
    if fitting < wanted {
        log::warn!(
            "limits.max_connections is {wanted}, but the system allows {} open files: at most {fitting} connections; \
             raise the limit (ulimit -Hn, LimitNOFILE=) to {needed}",
            current.unwrap_or(u64::MAX)
        );
    }
    fitting
}

fn fitting(limit: Option<u64>, wanted: u64) -> u64 {
    // With a small limit, half of it.
    limit.map_or(wanted, |limit| {
        wanted.min(limit.saturating_sub(OWN).max(limit / 2)).max(1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_the_data_files() {
        assert_eq!(fitting(None, 25_000), 25_000);
        assert_eq!(fitting(Some(30_000), 25_000), 25_000);
        assert_eq!(fitting(Some(25_000), 25_000), 25_000 - OWN);
        assert_eq!(fitting(Some(1_024), 25_000), 512);
        assert_eq!(fitting(Some(2_000), 25_000), 1_000);
        assert_eq!(fitting(Some(0), 25_000), 1);
    }
}
