//! The metrics that have tenants and buckets for labels. They come and go with their jobs, so they are written out of the
//! controller's list at each scrape and held by no recorder, and are bounded whatever there is. Pure: jobs in, text out.

use metrics::describe_gauge;
use pocket_api::control::JobSummary;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Tenants that are shown by name, the largest first; the others are summed up.
const TENANTS_MAX: usize = 100;
/// Their label. No tenant can have this name.
const OTHERS: &str = "(others)";
/// Buckets that are shown, the largest.
const BUCKETS_MAX: usize = 20;

const TENANT_JOBS: (&str, &str) = ("pocket_tenant_jobs_count", "Jobs by tenant, the largest 100 by name");
const TENANT_OBJECTS: (&str, &str) = ("pocket_tenant_objects_count", "Objects by tenant");
const TENANT_BYTES: (&str, &str) =
    ("pocket_tenant_logical_bytes", "Logical bytes of objects and parts by tenant");
const BUCKET_OBJECTS: (&str, &str) = ("pocket_bucket_objects_count", "Objects of the 20 largest buckets");
const BUCKET_BYTES: (&str, &str) =
    ("pocket_bucket_logical_bytes", "Logical bytes of objects and parts of the 20 largest buckets");

/// Tells the recorder what the metrics mean.
pub(crate) fn describe_metrics() {
    for (name, help) in [TENANT_JOBS, TENANT_OBJECTS, TENANT_BYTES, BUCKET_OBJECTS, BUCKET_BYTES] {
        describe_gauge!(name, help);
    }
}

#[derive(Clone, Copy, Default)]
struct Sums {
    jobs: u64,
    objects: u64,
    bytes: u64,
}

impl std::ops::AddAssign for Sums {
    fn add_assign(&mut self, more: Self) {
        self.jobs += more.jobs;
        self.objects = self.objects.saturating_add(more.objects);
        self.bytes = self.bytes.saturating_add(more.bytes);
    }
}

/// In Prometheus' text format. Names of tenants and buckets have no character that would have to be escaped there.
pub(super) fn rendered(jobs: &[JobSummary]) -> String {
    let mut by_tenant: BTreeMap<&str, Sums> = BTreeMap::new();
    for job in jobs {
        *by_tenant.entry(job.tenant.as_str()).or_default() +=
            Sums { jobs: 1, objects: job.objects, bytes: job.bytes };
    }
    let mut tenants: Vec<(&str, Sums)> = by_tenant.into_iter().collect();
    tenants.sort_by_key(|(_, sums)| Reverse(sums.bytes));
    if tenants.len() > TENANTS_MAX {
        let mut others = Sums::default();
        tenants.drain(TENANTS_MAX..).for_each(|(_, sums)| others += sums);
        tenants.push((OTHERS, others));
    }
    let mut buckets: Vec<&JobSummary> = jobs.iter().collect();
    buckets.sort_by_key(|job| Reverse(job.bytes));
    buckets.truncate(BUCKETS_MAX);

    let mut text = String::new();
    let of_tenants = |value: fn(&Sums) -> u64| tenants.iter().map(move |(name, sums)| (*name, value(sums)));
    let of_buckets =
        |value: fn(&JobSummary) -> u64| buckets.iter().map(move |job| (job.bucket.as_str(), value(job)));
    write_gauge(&mut text, TENANT_JOBS, "tenant", of_tenants(|sums| sums.jobs));
    write_gauge(&mut text, TENANT_OBJECTS, "tenant", of_tenants(|sums| sums.objects));
    write_gauge(&mut text, TENANT_BYTES, "tenant", of_tenants(|sums| sums.bytes));
    write_gauge(&mut text, BUCKET_OBJECTS, "bucket", of_buckets(|job| job.objects));
    write_gauge(&mut text, BUCKET_BYTES, "bucket", of_buckets(|job| job.bytes));
    text
}

fn write_gauge<'a>(
    text: &mut String,
    (name, help): (&str, &str),
    label: &str,
    values: impl Iterator<Item = (&'a str, u64)>,
) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
    for (of, value) in values {
        let _ = writeln!(text, "{name}{{{label}=\"{of}\"}} {value}");
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::operator::tests::job;

    #[test]
    fn tenants_are_summed_and_only_the_largest_are_named() {
        let many = (0..150).map(|n| JobSummary {
            bytes: n,
            objects: 1,
            ..job(n, &format!("bucket-{n}"), &format!("tenant-{n}"))
        });
        let mut jobs: Vec<JobSummary> = many.collect();
        jobs.push(JobSummary { bytes: 7, objects: 2, ..job(150, "second", "tenant-149") });
        let text = rendered(&jobs);
        let lines = |name: &str| text.lines().filter(|line| line.starts_with(&format!("{name}{{"))).count();
        assert_eq!((lines(TENANT_BYTES.0), lines(BUCKET_BYTES.0)), (TENANTS_MAX + 1, BUCKETS_MAX));
        for line in [
            "pocket_tenant_jobs_count{tenant=\"tenant-149\"} 2",
            "pocket_tenant_objects_count{tenant=\"tenant-149\"} 3",
            "pocket_tenant_logical_bytes{tenant=\"tenant-149\"} 156",
            "pocket_tenant_logical_bytes{tenant=\"(others)\"} 1225",
            "pocket_bucket_logical_bytes{bucket=\"bucket-130\"} 130",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
        assert!(!text.contains("bucket=\"bucket-129\""), "{text}");
    }
}
