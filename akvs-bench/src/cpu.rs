//! Which cores a thread or a process may use.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::result::Result;

/// Returns the cores that this thread may use.
pub(crate) fn allowed() -> Result<CpuSet> {
    Ok(sched_getaffinity(None)?)
}

/// Returns the set of one of these cores: the one with this number, or the last.
pub(crate) fn one_of(cores: &CpuSet, number: usize) -> CpuSet {
    let present: Vec<usize> = (0..CpuSet::MAX_CPU)
        .filter(|&core| cores.is_set(core))
        .collect();
    let mut one = CpuSet::new();
    if let Some(core) = present.get(number).or(present.last()) {
        one.set(*core);
    }
    one
}

/// Limits this thread, and what it starts, to these cores.
pub(crate) fn limit(cores: &CpuSet) -> Result {
    Ok(sched_setaffinity(None, cores)?)
}
