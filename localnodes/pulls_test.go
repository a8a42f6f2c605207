package main

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

// pullOf is a PullImageRequest.
func pullOf(image string) []byte {
	spec := protowire.AppendTag(nil, 2, protowire.VarintType) // a field that is not known here
	spec = protowire.AppendVarint(spec, 7)
	spec = protowire.AppendBytes(protowire.AppendTag(spec, 1, protowire.BytesType), []byte(image))
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), spec)
}

// TestPulls: what the kubelet asks comes to the other side as it is, and so do answers, one or many, and errors, but that of a pull that
// was given up there. Who asks for an image of the node's own waits until it is there.
func TestPulls(t *testing.T) {
	dir := t.TempDir()
	far, near := filepath.Join(dir, "containerd.sock"), filepath.Join(dir, "pulls.sock")
	l, err := net.Listen("unix", far)
	if err != nil {
		t.Fatal(err)
	}
	given := status.Error(codes.Canceled, `failed to pull and unpack image "registry.example/model:1": context canceled`)
	server := grpc.NewServer(grpc.ForceServerCodec(unread{}), grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(s)
		var question []byte
		if err := s.RecvMsg(&question); err != nil {
			return err
		}
		for range strings.Count(string(question), "twice") + 1 {
			if err := s.SendMsg(&question); err != nil {
				return err
			}
		}
		if strings.Contains(string(question), "model") || method == "/runtime.v1.ImageService/RemoveImage" {
			return given
		}
		return nil
	}))
	go func() { _ = server.Serve(l) }()
	defer server.Stop()
	own := make(chan struct{})
	stop, err := servePulls(near, far, own)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	conn, err := grpc.NewClient("unix://"+near, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(unread{})))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	early, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	const about = "/runtime.v1.ImageService/ImageStatus"
	if answers, err := ask(early, conn, about, pullOf(helloImage)); answers != 0 || status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("before the node has it: %d answers, %v", answers, err)
	}
	close(own)
	if answers, err := ask(t.Context(), conn, about, pullOf(helloImage)); answers != 1 || err != nil {
		t.Errorf("when the node has it: %d answers, %v", answers, err)
	}
	for _, c := range []struct {
		method   string
		question []byte
		answers  int
		want     string
	}{
		{"PullImage", pullOf("registry.example:5000/other"), 1, ""},
		{"PullImage", pullOf("registry.example:5000/model:1"), 1, "code = Unavailable desc = the image registry.example:5000/model:1 is not " +
			"complete: the registry registry.example:5000 sent nothing for 1m0s"},
		{"PullImage", pullOf("model"), 1, "the registry docker.io sent nothing"},
		{"PullImage", []byte("model that is no message"), 1, "its registry sent nothing"},
		{"RemoveImage", pullOf("other"), 1, "context canceled"},
		{"StreamImages", []byte("twice"), 2, ""},
	} {
		answers, err := ask(t.Context(), conn, "/runtime.v1.ImageService/"+c.method, c.question)
		if answers != c.answers || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: %d answers, %v", c.method, c.question, answers, err)
		}
	}
}

// ask counts the answers that are the question.
func ask(ctx context.Context, conn *grpc.ClientConn, method string, question []byte) (answers int, err error) {
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, method)
	if err != nil {
		return 0, err
	}
	if err := s.SendMsg(&question); err != nil {
		return 0, err
	}
	if err := s.CloseSend(); err != nil {
		return 0, err
	}
	for {
		var answer []byte
		err := s.RecvMsg(&answer)
		if err == nil && string(answer) == string(question) {
			answers++
			continue
		}
		if errors.Is(err, io.EOF) {
			return answers, nil
		}
		return answers, err
	}
}
