//! A tor process driven by its control port: connections through the Tor network, and an onion service that only the
//! holder of a key can find.

mod control;
mod gate;
mod launch;
mod onion;

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_encoding::BASE32_NOPAD;
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

pub use self::control::Control;
use self::control::{Reads, Writes, authenticate, bootstrap, connect, socks_listener};
pub use self::gate::{Opened, TorGate};
pub use self::launch::is_installed;
use self::launch::{Process, launch};
pub use self::onion::{onion_id, onion_key};
use super::error::TorError;
use crate::protocol::keys::StaticKey;
use crate::system::SystemError;

/// Limit for the control port to appear and take a connection.
const START: Duration = Duration::from_secs(20);
/// Limit for the way into the network; bridges may be slow.
const BOOTSTRAP: Duration = Duration::from_secs(240);
/// Limit until the descriptor of an onion service is uploaded.
const PUBLISH: Duration = Duration::from_secs(120);
/// Pause between two polls.
const POLL: Duration = Duration::from_millis(100);
/// Port of our onion services.
pub const ONION_PORT: u16 = crate::address::PORT;

/// Which tor is used.
#[derive(Clone)]
pub enum Source {
    /// A process started for this room, which ends with it, and further lines of its configuration, such as bridges.
    Own(Option<String>),
    /// A tor that runs already: the address of its control port, or the absolute path of its control socket.
    Running(String),
}

/// Progress on the way into the Tor network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Percentage of the bootstrap that is done.
    Bootstrap(u8),
    /// The onion service is being published.
    Publishing,
}

/// A tor that has found the network, and the connection to its control port.
pub struct Tor {
    control: Control<Reads, Writes>,
    /// Address of its SOCKS port.
    pub socks: SocketAddr,
    /// Onion services whose client keys this tor was given.
    allowed: Vec<String>,
    /// The process, if it is ours. Declared last: the control connection closes before the process is ended.
    own: Option<Process>,
}

/// An onion service of this machine, with everything needed to publish it again.
pub struct Service {
    /// Its ed25519 public key.
    pub key: [u8; 32],
    private: Zeroizing<String>,
    client: String,
    port: u16,
}

impl Tor {
    /// Starts a tor or connects to the running one, and waits until it has found the network.
    pub async fn start(source: &Source, mut tell: impl FnMut(Step)) -> Result<Self, TorError> {
        let (own, at, cookie) = match source {
            Source::Own(config) => {
                let (own, at, cookie) = launch(config.as_deref()).await?;
                (Some(own), at, Some(cookie))
            }
            Source::Running(at) => (None, at.clone(), None),
        };
        let (mut control, host) = within(START, TorError::Control(SystemError::TimedOut), connect(&at)).await?;
        authenticate(&mut control, cookie, host.is_some()).await?;
        if own.is_some() {
            control.ask("TAKEOWNERSHIP").await?;
        }
        let known = async {
            let mut told = None;
            loop {
                let answer = control.ask("GETINFO status/bootstrap-phase").await?;
                let progress = answer.iter().find_map(|line| bootstrap(line)).unwrap_or(0);
                if told.replace(progress) != Some(progress) {
                    tell(Step::Bootstrap(progress));
                }
                if progress >= 100 {
                    return Ok(());
                }
                sleep(POLL).await;
            }
        };
        within(BOOTSTRAP, TorError::NoNetwork, known).await?;
        let answer = control.ask("GETINFO net/listeners/socks").await?;
        let socks = answer.iter().find_map(|line| socks_listener(line, host));
        let socks = socks.ok_or(TorError::NoSocks)?;
        Ok(Self { control, socks, allowed: Vec::new(), own })
    }

    /// Whether the process still runs, as far as can be told without asking it. `true` for a tor that is not ours.
    pub fn runs(&mut self) -> bool {
        self.own.as_mut().is_none_or(Process::runs)
    }

    /// Waits until the control connection ends.
    pub async fn ended(&mut self) {
        while self.control.event().await.is_ok() {}
    }

    /// Publishes an onion service that leads to `port` of this machine and that only the holder of `client` can find.
    ///
    /// Returns once its descriptor is uploaded. The service ends with this tor or with the control connection.
    pub async fn publish(
        &mut self,
        client: &StaticKey,
        port: u16,
        tell: impl FnMut(Step),
    ) -> Result<Service, TorError> {
        let (private, client) = (Zeroizing::new("NEW:ED25519-V3".to_owned()), BASE32_NOPAD.encode(&client.public().0));
        let mut service = Service { key: [0; 32], private, client, port };
        self.publish_again(&mut service, tell).await?;
        Ok(service)
    }

    /// Publishes a service again under the same address, after the tor that held it has ended.
    pub async fn publish_again(&mut self, service: &mut Service, mut tell: impl FnMut(Step)) -> Result<(), TorError> {
        tell(Step::Publishing);
        self.control.ask("SETEVENTS HS_DESC").await?;
        let mut line = Zeroizing::new(String::with_capacity(256));
        let _ = write!(
            line,
            "ADD_ONION {} Flags=V3Auth ClientAuthV3={} Port={ONION_PORT},{}:{}",
            service.private.as_str(),
            service.client,
            Ipv4Addr::LOCALHOST,
            service.port
        );
        let answer = Zeroizing::new(self.control.ask(&line).await?);
        let named = |name: &str| answer.iter().find_map(|line| line.strip_prefix(name));
        let id = named("ServiceID=").ok_or(TorError::NotTor)?.to_owned();
        service.key = onion_key(&id).ok_or(TorError::NotTor)?;
        if let Some(private) = named("PrivateKey=") {
            service.private = Zeroizing::new(private.to_owned());
        }
        let uploaded = async {
            loop {
                let line = self.control.event().await?;
                if line.contains("HS_DESC UPLOADED") && line.contains(&id) {
                    return Ok(());
                }
            }
        };
        within(PUBLISH, TorError::NotPublished, uploaded).await?;
        self.control.ask("SETEVENTS").await.map(|_| ())
    }

    /// Gives this tor the x25519 key without which it cannot find an onion service.
    pub async fn allow(&mut self, onion: &[u8; 32], private: &[u8; 32]) -> Result<(), TorError> {
        let mut line = Zeroizing::new(String::with_capacity(160));
        let _ = write!(line, "ONION_CLIENT_AUTH_ADD {} x25519:", onion_id(onion));
        STANDARD.encode_string(private, &mut line);
        self.control.ask(&line).await?;
        let id = onion_id(onion);
        if !self.allowed.contains(&id) {
            self.allowed.push(id);
        }
        Ok(())
    }

    /// Drops cached descriptors, so that an onion service that was published again is found. Only where the tor is ours:
    /// NEWNYM affects all its users.
    pub async fn look_again(&mut self) {
        if self.own.is_some() {
            let _ = self.control.ask("SIGNAL NEWNYM").await;
        }
    }

    /// Removes the client keys, so that a tor that goes on running does not keep them.
    pub async fn forget(&mut self) {
        for id in std::mem::take(&mut self.allowed) {
            let _ = self.control.ask(&format!("ONION_CLIENT_AUTH_REMOVE {id}")).await;
        }
    }
}

/// Runs `work` for at most `limit`, after which it failed with `late`.
async fn within<T>(
    limit: Duration,
    late: TorError,
    work: impl Future<Output = Result<T, TorError>>,
) -> Result<T, TorError> {
    timeout(limit, work).await.unwrap_or(Err(late))
}
