//! The control seam over the wire when things go wrong: wrong secrets, controllers that are away, hang or come back,
//! peers that do not speak its language.

use async_trait::async_trait;
use parking_lot::Mutex;
use pocket_api::cluster::{ClusterView, NodeSpec, Role};
use pocket_api::control::{
    ClusterStatus, Configuration, Control, ControlError, EndJob, Forgotten, Heartbeat, HeartbeatReply,
    JobSummary, Joined, Placement, Registration,
};
use pocket_api::ids::{JobId, NodeId};
use pocket_api::names::{BucketName, TenantName};
use pocket_api::usage::{Usage, UsageReport};
use pocket_wire::{ClusterSecret, RemoteControl, ServedPlanes, WireError, serve_control, serve_planes};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// How long a test waits for what must happen; never reached in success.
const PATIENCE: Duration = Duration::from_secs(20);

/// A controller without members that says so, and remembers who hung up.
#[derive(Default)]
struct Lonely(Mutex<Vec<NodeId>>);

#[async_trait]
impl Control for Lonely {
    async fn register(&self, _: Registration) -> Result<Placement, ControlError> {
        Err(ControlError::Unavailable("no live shards".into()))
    }

    async fn placement(&self, _: &BucketName) -> Result<Placement, ControlError> {
        Err(ControlError::NoSuchBucket)
    }

    async fn configure(&self, _: Configuration) -> Result<Placement, ControlError> {
        Err(ControlError::Stale)
    }

    async fn end(&self, _: EndJob) -> Result<(), ControlError> {
        Err(ControlError::NotEmpty)
    }

    async fn jobs(&self, _: Option<&TenantName>) -> Result<Vec<JobSummary>, ControlError> {
        Ok(vec![])
    }

    async fn join(&self, _: NodeSpec) -> Result<Joined, ControlError> {
        Ok(Joined { node: NodeId(1), view: ClusterView::default() })
    }

    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<HeartbeatReply, ControlError> {
        Ok(HeartbeatReply { ended: heartbeat.jobs, ..HeartbeatReply::default() })
    }

    async fn leave(&self, _: NodeId) -> Result<(), ControlError> {
        Err(ControlError::NotAMember)
    }

    async fn forget(&self, _: NodeId) -> Result<Forgotten, ControlError> {
        Err(ControlError::NotAMember)
    }

    fn hung_up(&self, node: NodeId) {
        self.0.lock().push(node);
    }

    async fn status(&self) -> Result<ClusterStatus, ControlError> {
        Ok(ClusterStatus { nodes: vec![], jobs: vec![], held_for: None })
    }
}

#[async_trait]
impl Usage for Lonely {
    async fn report(&self, _: NodeId, _: UsageReport) -> Result<(), ControlError> {
        Ok(())
    }
}

fn secret(text: &str) -> Option<ClusterSecret> {
    Some(ClusterSecret::new(text.into()))
}

async fn serve(address: &str, secret: Option<ClusterSecret>) -> (SocketAddr, CancellationToken) {
    serve_as(Arc::default(), address, secret).await
}

async fn serve_as(
    lonely: Arc<Lonely>,
    address: &str,
    secret: Option<ClusterSecret>,
) -> (SocketAddr, CancellationToken) {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    tokio::spawn(serve_control(listener, lonely.clone(), lonely, secret, shutdown.clone()));
    (address, shutdown)
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "never came true: {what}");
}

fn heartbeat() -> Heartbeat {
    Heartbeat { jobs: vec![JobId(u64::MAX)], ..Heartbeat::first(NodeId(1)) }
}

#[tokio::test]
async fn only_a_peer_with_the_same_secret_is_heard() {
    let (address, shutdown) = serve("127.0.0.1:0", secret("right")).await;
    let _stop = shutdown.drop_guard();
    for (theirs, meets) in [(None, false), (secret("wrong"), false), (secret("right"), true)] {
        let remote = RemoteControl::connect(&address.to_string(), theirs);
        let reply = remote.heartbeat(heartbeat()).await;
        match &reply {
            Ok(reply) => assert!(meets && reply.ended == heartbeat().jobs),
            Err(ControlError::Unavailable(text)) => assert!(!meets && text.contains("secret"), "{text}"),
            Err(other) => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn a_controller_that_is_away_is_unavailable_and_found_again_when_it_is_back() {
    let (address, shutdown) = serve("127.0.0.1:0", None).await;
    let remote = RemoteControl::connect(&address.to_string(), None);
    remote.heartbeat(heartbeat()).await.unwrap();
    shutdown.cancel();
    let away = async { while remote.heartbeat(heartbeat()).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, away).await.expect("a stopped controller does not answer");
    let while_away = remote.status().await;
    assert!(matches!(while_away, Err(ControlError::Unavailable(_))), "{while_away:?}");

    let (_, shutdown) = serve(&address.to_string(), None).await;
    let _stop = shutdown.drop_guard();
    let back = async {
        while remote.heartbeat(heartbeat()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, back).await.expect("the client comes back by itself");
}

#[tokio::test]
async fn the_controller_hears_when_a_nodes_last_connection_is_closed() {
    let lonely = Arc::new(Lonely::default());
    let (address, shutdown) = serve_as(lonely.clone(), "127.0.0.1:0", None).await;
    let _stop = shutdown.drop_guard();
    let connect = || RemoteControl::connect(&address.to_string(), None);
    let beat = |node| Heartbeat { node: NodeId(node), ..heartbeat() };
    let (first, second, asker) = (connect(), connect(), connect());
    first.heartbeat(beat(7)).await.unwrap();
    second.heartbeat(beat(7)).await.unwrap();
    second.heartbeat(beat(8)).await.unwrap();
    asker.status().await.unwrap();
    drop((first, asker));
    // Whoever closed before has been heard of by the time that a later one is.
    let third = connect();
    third.heartbeat(beat(9)).await.unwrap();
    drop(third);
    eventually("9 hung up", async || lonely.0.lock().contains(&NodeId(9))).await;
    assert_eq!(*lonely.0.lock(), [NodeId(9)], "7 has another connection");
    drop(second);
    eventually("7 and 8 hung up", async || lonely.0.lock().len() == 3).await;
    assert!(lonely.0.lock().contains(&NodeId(7)) && lonely.0.lock().contains(&NodeId(8)));
}

#[tokio::test]
async fn a_heartbeat_that_is_not_answered_in_time_has_the_next_one_go_over_a_new_connection() {
    let (address, shutdown) = serve("127.0.0.1:0", None).await;
    let _stop = shutdown.drop_guard();
    // Between them a network: its first connection goes silent, and neither end is told.
    let network = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let through = network.local_addr().unwrap().to_string();
    let (silent, cut) = (CancellationToken::new(), Arc::new(Mutex::new(Vec::new())));
    let connections = cut.clone();
    let silence = silent.clone();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = network.accept().await {
            let mut far = TcpStream::connect(address).await.unwrap();
            let first = connections.lock().is_empty();
            connections.lock().push(());
            let silence = silence.clone();
            tokio::spawn(async move {
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    () = silence.cancelled(), if first => std::future::pending().await,
                }
            });
        }
    });
    let remote = RemoteControl::connect(&through, None);
    remote.heartbeat(heartbeat()).await.unwrap();
    silent.cancel();
    let (mut missed, started) = (0, tokio::time::Instant::now());
    eventually("heartbeats are answered again", async || {
        let answer = remote.heartbeat(heartbeat()).await;
        missed += u32::from(answer.is_err());
        answer.is_ok()
    })
    .await;
    assert!(missed > 0 && cut.lock().len() == 2, "{missed} missed, {} connections", cut.lock().len());
    assert!(started.elapsed() < Duration::from_secs(10), "no answer is waited for as long as for others");
}

#[tokio::test]
async fn an_address_that_others_cannot_call_does_not_join() {
    let (address, shutdown) = serve("127.0.0.1:0", None).await;
    let _stop = shutdown.drop_guard();
    let remote = RemoteControl::connect(&address.to_string(), None);
    let spec = NodeSpec {
        role: Role::Storage,
        address: "0.0.0.0:9030".into(),
        host: "here".into(),
        capacity_bytes: 1,
    };
    let refused = remote.join(spec).await;
    assert!(
        matches!(&refused, Err(ControlError::Refused(why)) if why.contains("storage.advertise")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn errors_arrive_over_a_real_connection() {
    let (address, shutdown) = serve("127.0.0.1:0", None).await;
    let _stop = shutdown.drop_guard();
    let remote = RemoteControl::connect(&address.to_string(), None);
    let bucket = BucketName::parse("stage-1").unwrap();
    assert_eq!(remote.placement(&bucket).await, Err(ControlError::NoSuchBucket));
    assert_eq!(remote.leave(NodeId(3)).await, Err(ControlError::NotAMember));
    let registration = Registration {
        tenant: TenantName::parse("etl").unwrap(),
        bucket,
        settings: pocket_api::settings::JobSettings::default(),
    };
    let expected = ControlError::Unavailable("no live shards".into());
    assert_eq!(remote.register(registration).await, Err(expected));
    let spec = NodeSpec {
        role: Role::Storage,
        address: "127.0.0.1:9".into(),
        host: "here".into(),
        capacity_bytes: 1,
    };
    assert_eq!(remote.join(spec).await.unwrap().node, NodeId(1));
    remote.report(NodeId(1), UsageReport::default()).await.unwrap();
}

#[tokio::test]
async fn strangers_are_turned_away_and_nobody_else_notices() {
    let (address, shutdown) = serve("127.0.0.1:0", None).await;
    let _stop = shutdown.drop_guard();
    let remote = RemoteControl::connect(&address.to_string(), None);
    remote.heartbeat(heartbeat()).await.unwrap();
    for nonsense in [
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\u{7}\u{8}",
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(nonsense.as_bytes()).await.unwrap();
        let closed = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 16])).await.unwrap();
        assert!(matches!(closed, Ok(0) | Err(_)), "{nonsense:?} was answered");
    }
    remote.heartbeat(heartbeat()).await.unwrap();
}

#[tokio::test]
async fn a_client_of_the_wrong_port_is_told_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let shutdown = CancellationToken::new();
    let _stop = shutdown.clone().drop_guard();
    tokio::spawn(serve_planes(listener, NodeId(4), ServedPlanes::default(), None, shutdown));
    let answer = RemoteControl::connect(&address, None).status().await;
    assert!(
        matches!(&answer, Err(ControlError::Unavailable(text)) if text.contains("does not serve this")),
        "{answer:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_hangs_is_unavailable_after_the_deadline() {
    // Takes connections and says nothing; time moves on by itself while everybody waits.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let answer = RemoteControl::connect(&address, None).status().await;
    assert!(matches!(answer, Err(ControlError::Unavailable(_))), "{answer:?}");
}

#[tokio::test]
async fn addresses_beyond_loopback_are_not_served_without_a_secret() {
    let bind = || TcpListener::bind("0.0.0.0:0");
    let (shutdown, lonely) = (CancellationToken::new(), Arc::new(Lonely::default()));
    let refused = serve_control(bind().await.unwrap(), lonely.clone(), lonely, None, shutdown.clone());
    assert!(matches!(refused.await, Err(WireError::Exposed(_))));
    let planes = ServedPlanes::default();
    let refused = serve_planes(bind().await.unwrap(), NodeId(1), planes, None, shutdown.clone());
    assert!(matches!(refused.await, Err(WireError::Exposed(_))));
    shutdown.cancel();
    let planes = ServedPlanes::default();
    serve_planes(bind().await.unwrap(), NodeId(1), planes, secret("s3cret"), shutdown).await.unwrap();
}
