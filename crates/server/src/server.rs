//! A running server: its listener, its data and its end.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    path::Path,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use anyhow::Context;
use ecru_kms::{MasterKey, MasterKeySource};
use ecru_model::RegistryId;
use ecru_outbound::{EventBridge, OtherRegistries, Webhook};
use ecru_platform::{Clock, Opening, Random};
use ecru_registry::{Configuration, Ports, Service, events, events::EventSink, work};
use ecru_store::Options as StoreOptions;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::{mpsc, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    EventOptions, Options,
    advice::CannotListen,
    advisories,
    application::Application,
    authority::Authority,
    compose::Services,
    connection::{self, Listening, Phase},
    control_socket::ControlSocket,
    data_directory::OpenedDirectory,
    descriptors,
    hosts::Hosts,
    maintenance::serve,
    scanning, tls,
};

const BACKLOG: u32 = 4096;
/// How long requests in progress may take after a stop begins.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait for a free descriptor before the next accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The same time as the longest permitted silence of a body.
const STALL_MAX: Duration = Duration::from_mins(1);

pub struct Server {
    address: SocketAddr,
    services: Services,
    phase: watch::Sender<Phase>,
    /// Closed once the accept loop and every connection have dropped their sender.
    connections: mpsc::Receiver<Infallible>,
    /// Aborted when this is dropped.
    background: JoinSet<()>,
    /// `None` if the socket could not be created.
    control_socket: Option<ControlSocket>,
    directory: OpenedDirectory,
}

impl Server {
    pub async fn start(options: Options) -> anyhow::Result<Server> {
        let tls = options.tls.clone().map(tls::acceptor).transpose()?;
        // First, so that clients that connect while the data is opened wait instead of being refused.
        let listener = listen(options.listen).context(CannotListen(options.listen))?;
        let address = listener.local_addr()?;
        let directory = OpenedDirectory::open(&options.data)?;
        let configuration = configuration(&options);
        let upstreams = &options.upstreams;
        let ports = Ports {
            scanner: Some(scanning::wire(directory.path(), options.advisories)?),
            upstreams: Some(Arc::new(OtherRegistries::new(
                &upstreams.redirected,
                &upstreams.allowed,
            ))),
            ..Ports::default()
        };
        let services = open_services(
            &directory,
            options.account_id,
            (configuration, ports),
            master_key(&directory, options.master_key_file.as_deref())?,
        )?;
        let service = &services.ecr;

        // The sinks must exist before the first request can cause an event.
        let sinks = sinks(&options.events)?;
        events::connect(service, &sinks).await?;

        let public = options
            .public_endpoint
            .and_then(|endpoint| Authority::parse(&endpoint.authority));
        let application = Application {
            services: services.clone(),
            hosts: Hosts::new(public.as_ref(), options.allowed_hosts),
            public,
            aws: services.aws(options.error_names),
            control: options.introspection.then(|| services.control.clone()),
        };
        let listening = Listening {
            application: Arc::new(application),
            tls,
            requests: AtomicU64::new(1),
        };
        let phase = watch::Sender::new(Phase::Running);
        let (alive, connections) = mpsc::channel(1);
        tokio::spawn(accept(listener, Arc::new(listening), phase.subscribe(), alive));

        let mut work = JoinSet::new();
        work.spawn(work::run_in_background(
            Arc::clone(service),
            Arc::clone(&services.runner),
        ));
        work.spawn(advisories::watch(Arc::clone(service)));
        if let Some(refresh) = options.advisories_refresh {
            let data = directory.path().to_owned();
            work.spawn(advisories::keep_fresh(Arc::clone(service), data, refresh));
        }
        for sink in sinks {
            work.spawn(events::deliver_to(Arc::clone(service), sink));
        }

        let control_socket = open_control_socket(&directory, service, &mut work);

        Ok(Server {
            address,
            services,
            phase,
            connections,
            background: work,
            control_socket,
            directory,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn service(&self) -> &Arc<Service> {
        &self.services.ecr
    }

    pub fn data_directory(&self) -> &Path {
        self.directory.path()
    }

    /// Accepts no more connections, finishes the requests in progress and closes the data.
    pub async fn stop(self) {
        self.stop_within(DRAIN_TIMEOUT).await;
    }

    /// Like `stop`, and cuts off requests that have not finished after `patience`.
    pub async fn stop_within(mut self, patience: Duration) {
        self.phase.send_replace(Phase::Draining);
        if timeout(patience, self.connections.recv()).await.is_err() {
            tracing::warn!("requests that did not finish in time were cut off");
            self.phase.send_replace(Phase::Ended);
            self.connections.recv().await;
        }
        self.background.shutdown().await;
        // The socket must be removed before the lock is released: after that, another server may have created
        // its own.
        drop(self.control_socket.take());
        self.services.ecr.store.close().await;
    }
}

fn configuration(options: &Options) -> Configuration {
    Configuration {
        dev_users: options.dev_users,
        public_endpoint: options.public_endpoint.clone(),
        repository_uri: options.repository_uri,
        quotas: options.quotas,
        events_kept: options.events.kept,
        organization_id: options.organization_id.clone(),
        pace: options.pace,
        uploads_at_once: options
            .uploads_at_once
            .unwrap_or_else(descriptors::uploads_at_once),
    }
}

fn sinks(events: &EventOptions) -> anyhow::Result<Vec<Arc<dyn EventSink>>> {
    let mut sinks: Vec<Arc<dyn EventSink>> = Vec::new();
    if let Some(url) = &events.webhook {
        sinks.push(Arc::new(Webhook::new(url.clone())?));
    }
    if let Some(url) = &events.endpoint {
        sinks.push(Arc::new(EventBridge::new(url.clone())?));
    }
    Ok(sinks)
}

/// A server without the control socket still serves; only maintenance commands cannot reach it.
fn open_control_socket(
    directory: &OpenedDirectory,
    service: &Arc<Service>,
    work: &mut JoinSet<()>,
) -> Option<ControlSocket> {
    match ControlSocket::open(directory.path()) {
        Ok((control_socket, listener)) => {
            work.spawn(serve::serve(
                listener,
                Arc::clone(service),
                directory.path().to_owned(),
            ));
            Some(control_socket)
        }
        Err(error) => {
            tracing::warn!(%error, "`ecru gc`, `verify`, `backup` and `advisories` will not reach this server");
            None
        }
    }
}

/// Opens the data on this thread: the server cannot work before, and another thread would only cost time.
fn open_services(
    directory: &OpenedDirectory,
    default_account: RegistryId,
    (configuration, ports): (Configuration, Ports),
    master_key: MasterKeySource,
) -> anyhow::Result<Services> {
    let opening = Opening {
        store: StoreOptions {
            directory: directory.path().to_owned(),
            ephemeral: directory.is_ephemeral(),
        },
        migrations: Vec::new(),
        clock: Clock::default(),
        random: Random::default(),
        default_account,
    };
    let opened = Services::open(opening, configuration, ports, master_key);
    opened.with_context(|| format!("cannot open the data in `{}`", directory.path().display()))
}

/// A key file that was named is read at once; that of the data directory when the first key needs it.
fn master_key(directory: &OpenedDirectory, file: Option<&Path>) -> anyhow::Result<MasterKeySource> {
    let Some(file) = file else {
        return Ok(MasterKeySource::Directory(directory.path().to_owned()));
    };
    let cannot = || format!("cannot use the master key in `{}`", file.display());
    let key = MasterKey::read(file).with_context(cannot)?;
    Ok(MasterKeySource::Given(key))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    // After a restart, connections of the last run may still be closing on the same port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    give_up_on_stalled_clients(&socket)?;
    socket.listen(BACKLOG)
}

/// Accepted connections inherit the option: the kernel closes a connection whose client acknowledges no byte
/// for this time.
#[cfg(target_os = "linux")]
fn give_up_on_stalled_clients(socket: &TcpSocket) -> io::Result<()> {
    let milliseconds = u32::try_from(STALL_MAX.as_millis()).unwrap_or(u32::MAX);
    Ok(rustix::net::sockopt::set_tcp_user_timeout(socket, milliseconds)?)
}

/// On other systems only their own limits apply.
#[cfg(not(target_os = "linux"))]
fn give_up_on_stalled_clients(_: &TcpSocket) -> io::Result<()> {
    Ok(())
}

async fn accept(
    listener: TcpListener,
    listening: Arc<Listening>,
    mut phase: watch::Receiver<Phase>,
    alive: mpsc::Sender<Infallible>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = phase.wait_for(|phase| *phase != Phase::Running) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (listening, phase, alive) = (Arc::clone(&listening), phase.clone(), alive.clone());
                tokio::spawn(async move {
                    connection::serve(listening, stream, peer, phase).await;
                    drop(alive);
                });
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections at the moment");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}
