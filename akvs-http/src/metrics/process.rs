//! The metrics of this process from the operating system, under the names that Prometheus recommends.

use procfs::process::{LimitValue, Process as Proc};

use super::page::{Family, Kind, Value};

/// The process, with its start time.
pub(crate) struct Process {
    /// In seconds since 1970; none if `/proc` cannot be read.
    started: Option<f64>,
}

impl Default for Process {
    fn default() -> Process {
        Process {
            started: started().ok(),
        }
    }
}

impl Process {
    /// Returns the current numbers; without those that cannot be read.
    pub(crate) fn families(&self) -> Vec<Family> {
        let mut found = Vec::new();
        let mut one = |name, help, kind, value| found.push(Family::one(name, help, kind, value));
        if let Some(started) = self.started {
            let help = "Start time of the process, in seconds since 1970.";
            one(
                "process_start_time_seconds",
                help,
                Kind::Gauge,
                Value::Real(started),
            );
        }
        let Ok(process) = Proc::myself() else {
            return found;
        };
        if let Ok(stat) = process.stat() {
            let cpu = (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64;
            let help = "CPU time of all threads, user and system, in seconds.";
            one("process_cpu_seconds", help, Kind::Counter, Value::Real(cpu));
            let resident = Value::Whole(stat.rss.saturating_mul(procfs::page_size()));
            let help = "Resident memory, in bytes.";
            one("process_resident_memory_bytes", help, Kind::Gauge, resident);
            let help = "Virtual memory, in bytes.";
            let virtual_memory = Value::Whole(stat.vsize);
            one(
                "process_virtual_memory_bytes",
                help,
                Kind::Gauge,
                virtual_memory,
            );
            let threads = Value::Whole(stat.num_threads.max(0) as u64);
            one(
                "process_threads",
                "Number of threads.",
                Kind::Gauge,
                threads,
            );
        }
        if let Ok(count) = process.fd_count() {
            let help = "Number of open file descriptors, of connections and files.";
            one(
                "process_open_fds",
                help,
                Kind::Gauge,
                Value::Whole(count as u64),
            );
        }
        if let Ok(limits) = process.limits()
            && let LimitValue::Value(limit) = limits.max_open_files.soft_limit
        {
            let help = "Maximum number of open file descriptors.";
            one("process_max_fds", help, Kind::Gauge, Value::Whole(limit));
        }
        found
    }
}

fn started() -> procfs::ProcResult<f64> {
    let ticks = Proc::myself()?.stat()?.starttime as f64;
    Ok(procfs::boot_time_secs()? as f64 + ticks / procfs::ticks_per_second() as f64)
}
