//! The end of a server.

use tokio::net::TcpStream;

use crate::client::start;

#[tokio::test]
async fn a_stopping_server_closes_idle_connections_and_takes_no_others() {
    let running = start().await;
    let address = running.address();
    let mut silent = running.connect().await;
    let mut used = running.connect().await;
    used.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(used.answer(false).await.status, 200);

    running.server.stop().await;

    assert_eq!(silent.rest().await, b"");
    assert_eq!(used.rest().await, b"");
    assert!(TcpStream::connect(address).await.is_err());
}
