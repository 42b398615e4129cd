//! The operations against the real planes, all in one process, spoken to in HTTP.

mod admissions;
mod appends;
mod buckets;
mod buffers;
mod cluster;
mod copies;
mod fairness;
#[path = "../in_process/mod.rs"]
mod in_process;
mod lifetimes;
mod list_pages;
mod lists;
mod objects;
mod uploads;
mod without_controller;
