//! How many files and connections the system lets this process have open.
//!
//! It owns the limit: raises it as far as it may, and says how many connections fit below it. Without that a full
//! server would fail to open its own data files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the data files, the listeners, the threads and the owner's own connections take.
const OWN: u64 = 1_024 + 256;

/// Raises the limit, and gives how many connections of these fit below it.
pub(crate) fn connections(wanted: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let needed = wanted.saturating_add(OWN);
    let mut current = limit.current;
    if current.is_some_and(|current| current < needed) {
        // As far as needed only: some libraries walk through all descriptors that there may be.
        let raised = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
        let new = Rlimit {
            current: Some(raised),
            maximum: limit.maximum,
        };
        match setrlimit(Resource::Nofile, new) {
            Ok(()) => current = Some(raised),
            Err(error) => {
                log::warn!("the limit of open files cannot be raised to {raised}: {error}")
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
    // Where there is little, half of it.
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
