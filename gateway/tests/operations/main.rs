//! The operations against the real planes, all in one process.

mod admissions;
mod appends;
mod buckets;
mod cluster;
mod copies;
mod lifetimes;
mod list_pages;
mod listed;
mod lists;
mod objects;
mod uploads;
mod without_controller;
