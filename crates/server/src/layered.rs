//! A stream with a layer over it. Operations that the layer does not define go to the stream.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The operations that differ from the stream below.
pub(crate) trait Layer<S: AsyncRead + AsyncWrite + Unpin>: Unpin {
    fn poll_write(&mut self, stream: &mut S, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(stream).poll_write_vectored(cx, slices)
    }

    fn poll_shutdown(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(stream).poll_shutdown(cx)
    }
}

pub(crate) struct Layered<S, L> {
    stream: S,
    layer: L,
}

impl<S, L> Layered<S, L> {
    pub(crate) fn over(stream: S, layer: L) -> Layered<S, L> {
        Layered { stream, layer }
    }
}

impl<S: AsyncRead + Unpin, L: Unpin> AsyncRead for Layered<S, L> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, L: Layer<S>> AsyncWrite for Layered<S, L> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Layered { stream, layer } = &mut *self;
        layer.poll_write(stream, cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Layered { stream, layer } = &mut *self;
        layer.poll_write_vectored(stream, cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Layered { stream, layer } = &mut *self;
        layer.poll_shutdown(stream, cx)
    }
}
