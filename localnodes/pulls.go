package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

// pullSilence is how long containerd waits for the next byte of an image, of all the requests of one pull together. It looks every ten
// seconds. A registry that fetches a layer from elsewhere first may be silent for a while, and the pull that is tried again finds it there.
const pullSilence = time.Minute

// pulls stands between a node's kubelet and the image service of its containerd, and hands everything on as it is. Only the end of a pull
// that got no more bytes is put into words: containerd says "context canceled", and nothing of why.
type pulls struct {
	containerd *grpc.ClientConn
	own        <-chan struct{} // closed when the node has its own images: who asks for one waits until then
}

// servePulls answers the kubelet on a socket. stop ends it.
func servePulls(path, containerd string, own <-chan struct{}) (stop func(), err error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	socket, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient("unix://"+containerd, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(unread{}), grpc.MaxCallRecvMsgSize(maxImageMessage)))
	if err != nil {
		_ = socket.Close()
		return nil, err
	}
	s := grpc.NewServer(grpc.ForceServerCodec(unread{}), grpc.UnknownServiceHandler(pulls{conn, own}.handOn))
	go func() { _ = s.Serve(socket) }() // until it is stopped
	return func() { s.Stop(); _ = conn.Close() }, nil
}

// maxImageMessage is how large an answer may be, in bytes: that of the kubelet's own client.
const maxImageMessage = 16 << 20

// handOn asks containerd the same, and answers the same.
func (p pulls) handOn(_ any, kubelet grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(kubelet) // the server put it there
	var question []byte
	if err := kubelet.RecvMsg(&question); err != nil {
		return err
	}
	image := imageAsked(question)
	if slices.Contains(laterImages, image) {
		select {
		case <-p.own:
		case <-kubelet.Context().Done():
			return status.FromContextError(kubelet.Context().Err()).Err()
		}
	}
	containerd, err := p.containerd.NewStream(kubelet.Context(), &grpc.StreamDesc{ServerStreams: true}, method)
	if err != nil {
		return err
	}
	if err := containerd.SendMsg(&question); err != nil && !errors.Is(err, io.EOF) { // why it has ended is said by RecvMsg
		return err
	}
	if err := containerd.CloseSend(); err != nil {
		return err
	}
	for {
		var answer []byte
		switch err := containerd.RecvMsg(&answer); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && strings.HasSuffix(method, "/PullImage") && kubelet.Context().Err() == nil:
			return inWords(err, image)
		case err != nil:
			return err
		}
		if err := kubelet.SendMsg(&answer); err != nil {
			return err
		}
	}
}

// inWords explains the end of a pull that the kubelet did not end: containerd cancels it itself when no byte comes any more.
func inWords(err error, image string) error {
	if status.Code(err) != codes.Canceled {
		return err
	}
	registry := "its registry"
	if named, parseErr := reference.ParseDockerRef(image); parseErr == nil {
		registry = "the registry " + reference.Domain(named)
	}
	return status.Error(codes.Unavailable, fmt.Sprintf("the image %s is not complete: %s sent nothing for %s. The pull was given up and is "+
		"tried again; when the registry stays so, import the image (berth image import)", image, registry, pullSilence))
}

// imageAsked is the name of the image in a PullImageRequest or an ImageStatusRequest: their field 1 is an ImageSpec, and its field 1 a
// text. In another request it may be anything.
func imageAsked(request []byte) string { return string(fieldOne(fieldOne(request))) }

// fieldOne is the field 1 of a message, if it is a text or a message.
func fieldOne(message []byte) []byte {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil
		}
		message = message[n:]
		if number == 1 && kind == protowire.BytesType {
			value, _ := protowire.ConsumeBytes(message) // nothing, if it is not whole
			return value
		}
		n = protowire.ConsumeFieldValue(number, kind, message)
		if n < 0 {
			return nil
		}
		message = message[n:]
	}
	return nil
}

// unread leaves messages as the bytes that they are.
type unread struct{}

// Marshal implements encoding.Codec.
func (unread) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

// Unmarshal implements encoding.Codec.
func (unread) Unmarshal(text []byte, v any) error {
	*v.(*[]byte) = text
	return nil
}

// Name implements encoding.Codec: to both ends the messages are protobuf's.
func (unread) Name() string { return "proto" }
