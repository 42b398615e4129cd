//! The operations against the real planes, all in one process.

mod appends;
mod buckets;
mod cluster;
mod copies;
mod lifetimes;
mod lists;
mod objects;
mod uploads;
