//! What the system tells of this process. Linux only; elsewhere there is nothing.

use rustix::param::{clock_ticks_per_second, page_size};

use super::exposition::Samples;

/// Adds memory, processor time, open files and the time of the start.
pub fn add(samples: &mut Samples) {
    let (page, ticks) = (page_size() as f64, clock_ticks_per_second() as f64);
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: Vec<f64> = statm.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    if let [size, resident, ..] = pages[..] {
        samples.add("process_virtual_memory_bytes", size * page);
        samples.add("process_resident_memory_bytes", resident * page);
    }
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The program's name stands in parentheses and may hold anything.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let number = |place: usize| fields.get(place).and_then(|field| field.parse::<f64>().ok());
    if let (Some(user), Some(system)) = (number(11), number(12)) {
        samples.add("process_cpu_seconds_total", (user + system) / ticks);
    }
    if let (Some(started), Some(booted)) = (number(19), boot_time()) {
        samples.add("process_start_time_seconds", booted + started / ticks);
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        // The directory itself is open for the moment.
        samples.add("process_open_fds", files.count().saturating_sub(1) as f64);
    }
}

/// Seconds since the Unix epoch.
fn boot_time() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}
