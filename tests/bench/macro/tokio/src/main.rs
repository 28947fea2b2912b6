// The same in tokio, on one thread.
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const REPLY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n";

async fn serve(mut stream: tokio::net::TcpStream) -> std::io::Result<()> {
    let mut bytes = [0u8; 4096];
    stream.set_nodelay(true)?;
    loop {
        let n = stream.read(&mut bytes).await?;
        if n == 0 {
            return Ok(());
        }
        for _ in bytes[..n].windows(4).filter(|w| w == b"\r\n\r\n") {
            stream.write_all(REPLY).await?;
        }
    }
}

fn main() -> std::io::Result<()> {
    let port: u16 = std::env::args().nth(1).unwrap().parse().unwrap();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(serve(stream));
        }
    })
}
