//! What `pocket dev-cluster` prints when all its processes are ready. Pure: ready lines in, text or JSON out.

use crate::banner::Banner;
use crate::config::credentials::AccessKey;
use crate::ready_line::ReadyLine;
use crate::table::{rendered, with_header};
use pocket_api::cluster::Role;
use serde::Serialize;

/// Shown as it is with `--json`.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    /// `http://host:port` of each gateway.
    endpoints: Vec<String>,
    /// `http://host:port` of the controller's admin port.
    admin: Option<&'a str>,
    processes: Vec<&'a ReadyLine>,
}

impl<'a> Report<'a> {
    pub(super) fn new(lines: impl IntoIterator<Item = &'a ReadyLine>) -> Self {
        let processes: Vec<&ReadyLine> = lines.into_iter().collect();
        let gateways = processes.iter().filter(|line| line.role == Role::Gateway);
        Self {
            endpoints: gateways.map(|line| format!("http://{}", line.address)).collect(),
            admin: processes
                .iter()
                .find(|line| line.role == Role::Controller)
                .and_then(|line| line.admin.as_deref()),
            processes,
        }
    }

    pub(super) fn for_people(&self, region: &str, keys: &[AccessKey]) -> String {
        let mut table = with_header(&["ROLE", "PID", "ADDRESS", "ADMIN"]);
        for line in &self.processes {
            table.add_row([
                line.role.to_string(),
                line.pid.to_string(),
                if line.address.is_empty() { "-".into() } else { line.address.clone() },
                line.admin.clone().unwrap_or_else(|| "-".into()),
            ]);
        }
        let endpoint = self.endpoints.first().map_or("", String::as_str);
        let banner = Banner {
            endpoint,
            region,
            keys,
            admin: self.admin,
            authority: None,
            also_at: &[],
            capacity: None,
        };
        format!("{}\n{}\n\nendpoints {}\n", banner.text(), rendered(table), self.endpoints.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_for_scripts_names_endpoints_admin_and_processes() {
        let line = |role, address: &str| ReadyLine {
            role,
            pid: 7,
            address: address.into(),
            admin: Some("http://127.0.0.1:9".into()),
            node: None,
        };
        let lines = [
            line(Role::Controller, "127.0.0.1:1"),
            line(Role::Gateway, "127.0.0.1:2"),
            line(Role::Gateway, "127.0.0.1:3"),
            line(Role::Monitor, ""),
        ];
        let json = serde_json::to_value(Report::new(&lines)).unwrap();
        assert_eq!(json["endpoints"], serde_json::json!(["http://127.0.0.1:2", "http://127.0.0.1:3"]));
        assert_eq!(json["admin"], "http://127.0.0.1:9");
        let processes = json["processes"].as_array().unwrap();
        assert_eq!(processes.len(), 4);
        assert_eq!((&processes[1]["role"], &processes[1]["pid"]), (&"gateway".into(), &7.into()));
        assert!(Report::new(&lines).for_people("us-east-1", &[]).contains("controller"));
    }
}
