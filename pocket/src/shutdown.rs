//! How a process is asked to end: SIGTERM, Ctrl-C, the end of its terminal, or, for children of `pocket dev-cluster`,
//! the end of standard input. And how it is not: SIGHUP asks a process that outlives its terminal to read its settings anew.

use anyhow::Context;
use std::io::{IsTerminal, Read};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// A process that was asked to end is gone after this long, whatever still hangs: below the ten seconds after which
/// service managers and container runtimes kill.
pub(crate) const END_WITHIN: Duration = Duration::from_secs(8);

/// Exit code of a process whose end was demanded twice, as of one that died of SIGINT.
const IMPATIENT: i32 = 130;

/// A token that is cancelled by the first signal. The second one ends the process on the spot.
pub(crate) fn on_signal() -> anyhow::Result<CancellationToken> {
    let listen = |kind| signal(kind).context("cannot listen for signals");
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        loop {
            let name = tokio::select! {
                _ = interrupt.recv() => "SIGINT",
                _ = terminate.recv() => "SIGTERM",
            };
            if cancelled.is_cancelled() {
                warn!("{name} again: ending at once");
                std::process::exit(IMPATIENT);
            }
            cancelled.cancel();
            info!("{name}: ending");
        }
    });
    Ok(token)
}

/// The SIGHUPs that a process gets, from here on: an earlier one ends it.
pub(crate) struct HangUps {
    signals: Signal,
    was_at_terminal: bool,
    until: CancellationToken,
}

impl HangUps {
    pub(crate) fn listen(until: &CancellationToken) -> anyhow::Result<Self> {
        let signals = signal(SignalKind::hangup()).context("cannot listen for signals")?;
        Ok(Self { signals, was_at_terminal: std::io::stdin().is_terminal(), until: until.clone() })
    }

    /// Waits for the next. False when it means that the terminal has gone, with which a process ends that was started
    /// there.
    pub(crate) async fn next(&mut self) -> bool {
        if self.signals.recv().await.is_none() {
            return false;
        }
        let terminal_has_gone = self.was_at_terminal && !std::io::stdin().is_terminal();
        if terminal_has_gone {
            info!("the terminal has gone: ending");
            self.until.cancel();
        }
        !terminal_has_gone
    }
}

/// Cancels the token when standard input ends, which it does when the process at its other end dies, however it dies.
pub(crate) fn on_end_of_stdin(token: CancellationToken) {
    // A thread of its own: a read of standard input cannot be cancelled, and a runtime would wait for it.
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut ignored = [0; 256];
        while matches!(stdin.read(&mut ignored), Ok(1..)) {}
        token.cancel();
        info!("standard input has ended: ending");
    });
}
