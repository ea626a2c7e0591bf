//! The shared way into the Tor network.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use data_encoding::HEXLOWER;
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{Source, Step, Tor};
use crate::address::{Address, Proxy};
use crate::protocol::keys::StaticKey;
use crate::protocol::random::{OsRandom, Randomness as _};
use crate::system::SystemError;
use crate::transport::error::TorError;

/// Limit for what tor is told at the end.
const CLOSING: Duration = Duration::from_secs(1);

/// The way into the Tor network. Opened when it is first needed, and again after tor has ended.
#[derive(Default)]
pub struct TorGate {
    /// Which tor is used. `None`: one is started, with its default configuration.
    pub source: Option<Source>,
    /// All connections go through Tor, and none goes out directly.
    pub only: bool,
    /// The x25519 key with which the host's onion service is found.
    pub key: Option<StaticKey>,
    /// Receives the progress.
    pub tell: Option<mpsc::Sender<Step>>,
    open: Mutex<Option<Arc<Opened>>>,
}

/// A tor that has found the network, with its SOCKS proxy.
pub struct Opened {
    /// Its control connection.
    pub tor: Mutex<Tor>,
    pub(in crate::transport) proxy: Proxy,
    ended: AtomicBool,
}

impl Opened {
    /// Marks this tor as gone, so that the next [`TorGate::open`] opens another.
    pub fn mark_ended(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    fn runs(&self) -> bool {
        // If the lock is held, its holder will see the error.
        !self.ended.load(Ordering::Relaxed) && self.tor.try_lock().map_or(true, |mut tor| tor.runs())
    }
}

impl TorGate {
    /// A gate that is not open yet.
    pub fn new(source: Source, only: bool) -> Self {
        Self { source: Some(source), only, ..Self::default() }
    }

    /// Whether the user asked for Tor, so that the gate may be opened before anything needs it.
    pub fn is_wanted(&self) -> bool {
        self.only || matches!(self.source, Some(Source::Running(_)))
    }

    pub(in crate::transport) fn is_open(&self) -> bool {
        self.open.try_lock().is_ok_and(|open| open.is_some())
    }

    /// Opens the gate, or returns the tor of the open one. If tor has ended, another is started or connected to.
    pub async fn open(&self) -> Result<Arc<Opened>, TorError> {
        let mut open = self.open.lock().await;
        if let Some(opened) = open.as_ref().filter(|opened| opened.runs()) {
            return Ok(opened.clone());
        }
        *open = None;
        let opened = Arc::new(self.start().await?);
        *open = Some(opened.clone());
        Ok(opened)
    }

    async fn start(&self) -> Result<Opened, TorError> {
        let source = self.source.clone().unwrap_or(Source::Own(None));
        let tor = Tor::start(&source, |step| self.report(step)).await?;
        let address = Address { host: tor.socks.ip().to_string(), port: tor.socks.port() };
        // Tor uses separate circuits for separate SOCKS users (IsolateSOCKSAuth).
        let name = OsRandom.secret().map_err(|_| SystemError::Cryptography)?;
        let user = Some(("tete".to_owned(), Zeroizing::new(HEXLOWER.encode(name.expose()))));
        Ok(Opened { tor: Mutex::new(tor), proxy: Proxy { address, user }, ended: AtomicBool::new(false) })
    }

    /// Closes the gate at the end of the room and has tor forget the keys it was given.
    pub async fn close(&self) {
        if let Some(opened) = self.open.lock().await.take() {
            let _ = timeout(CLOSING, async { opened.tor.lock().await.forget().await }).await;
        }
    }

    /// Reports progress, if anybody listens and has room for it.
    pub fn report(&self, step: Step) {
        if let Some(tell) = &self.tell {
            let _ = tell.try_send(step);
        }
    }
}
