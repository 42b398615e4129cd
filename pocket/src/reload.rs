//! SIGHUP: what may change while a process serves is read anew, checked as at its start, and taken over; the log says in
//! one line what that was. Where anything is wrong, all that was there stays.
//!
//! Access keys, profiles, certificates and the log filter change so. What else differs in the file is named, and waits for a restart.

mod changes;

use crate::config::Config;
use crate::config::credentials::{AccessKey, Source};
use crate::endpoint;
use crate::shutdown::HangUps;
use crate::telemetry::Log;
use crate::tls::Certificates;
use changes::Changes;
use parking_lot::Mutex;
use pocket_edge::credentials::Credentials;
use pocket_gateway::gateway::Gateway;
use std::sync::{Arc, Weak};
use tracing::{error, info, warn};

/// What was read: the file with the command line's options over it, and who may use the S3 endpoint.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) config: Config,
    /// None in roles that serve no S3.
    pub(crate) keys: Vec<AccessKey>,
}

impl Settings {
    /// The rest stays as it was at the start, and goes on to differ from the file.
    fn take_over(&mut self, other: Self) {
        let Self { config, keys } = other;
        self.keys = keys;
        self.config.profile = config.profile;
        self.config.gateway.default_profile = config.gateway.default_profile;
        self.config.gateway.auto_register = config.gateway.auto_register;
        self.config.log.filter = config.log.filter;
    }
}

type Read = dyn Fn() -> anyhow::Result<Settings> + Send + Sync;

/// The settings of a process, and how they are read again.
pub(crate) struct Reload {
    read: Box<Read>,
    log: Log,
    /// Tables of the file that this process reads.
    tables: &'static [&'static str],
    current: Mutex<Current>,
}

struct Current {
    settings: Settings,
    /// The one that serves, where there is one.
    gateway: Weak<Gateway>,
    /// Those that it shows.
    certificates: Option<Arc<Certificates>>,
}

impl Reload {
    /// `settings`: what `read` answered at the start.
    pub(crate) fn new(
        read: impl Fn() -> anyhow::Result<Settings> + Send + Sync + 'static,
        settings: Settings,
        log: Log,
        tables: &'static [&'static str],
    ) -> Arc<Self> {
        let current = Mutex::new(Current { settings, gateway: Weak::new(), certificates: None });
        Arc::new(Self { read: Box::new(read), log, tables, current })
    }

    /// Certificates change when their files do, and at each reload.
    pub(crate) fn follow(&self, certificates: Option<Arc<Certificates>>) {
        if let Some(certificates) = &certificates {
            tokio::spawn(certificates.clone().watch());
        }
        self.current.lock().certificates = certificates;
    }

    /// Starts a gateway with what holds now; it takes over whatever holds later.
    pub(crate) fn start_gateway(
        &self,
        start: impl FnOnce(&Config, Credentials) -> anyhow::Result<Arc<Gateway>>,
    ) -> anyhow::Result<Arc<Gateway>> {
        let mut current = self.current.lock();
        let Settings { config, keys } = &current.settings;
        let gateway = start(config, endpoint::credentials(keys)?)?;
        current.gateway = Arc::downgrade(&gateway);
        Ok(gateway)
    }

    /// Reads anew at each SIGHUP, for as long as the process lives.
    pub(crate) async fn at_each(self: Arc<Self>, mut hang_ups: HangUps) {
        while hang_ups.next().await {
            let this = self.clone();
            // Files may be on a disk that takes its time.
            let done = tokio::task::spawn_blocking(move || this.take_over((this.read)()?));
            if let Err(why) = done.await.unwrap_or_else(|panicked| Err(panicked.into())) {
                error!("SIGHUP: nothing was taken over: {why:#}");
            }
        }
    }

    /// All or nothing: what can fail is made first.
    fn take_over(&self, settings: Settings) -> anyhow::Result<()> {
        let (credentials, profiles) = (endpoint::credentials(&settings.keys)?, settings.config.profiles()?);
        let certificates = {
            let current = self.current.lock();
            // The address stays that of the start, whatever the file says of it now.
            let had_generated = current.settings.keys.iter().any(|key| key.source == Source::Generated);
            let listen = &current.settings.config.gateway.listen;
            endpoint::check_reach(listen, &settings.keys, had_generated)?;
            current.certificates.clone()
        };
        let certificate = certificates.map(|certificates| certificates.reload()).transpose()?;
        let mut current = self.current.lock();
        let mut changes = Changes::between(&current.settings, &settings, self.tables);
        if let Some(changed) = certificate {
            changes.show_certificate(changed);
        }
        // Said under the filter that shows it, whichever that is; under any where something has to wait.
        let shown_before = tracing::enabled!(tracing::Level::INFO);
        let say = || match changes.any_waits() {
            true => warn!("SIGHUP: {changes}"),
            false => info!("SIGHUP: {changes}"),
        };
        if shown_before {
            say();
        }
        self.log.filter_by(&settings.config.log.filter)?;
        if !shown_before {
            say();
        }
        if let Some(gateway) = current.gateway.upgrade() {
            gateway.reload(credentials, profiles);
        }
        current.settings.take_over(settings);
        Ok(())
    }
}
