package local

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"time"
)

// layersPatience is how long the unpacking of images may take: some have gigabytes.
const layersPatience = 30 * time.Minute

// Balancers are the addresses, on this machine's loopback, of the load balancers of local clusters (localkube/balancer.go).
var Balancers = []netip.Prefix{netip.MustParsePrefix("127.64.0.0/10"), netip.MustParsePrefix("127.128.0.0/10")}

// layersFolder has the unpacked layers of images, in the folder of images.
const layersFolder = "layers"

// UnpackImages unpacks the images of a data folder once for all clusters with real nodes, and those of soon (descriptors of OCI), which
// come next; layers that nobody needs any more go. binary is berth-kube, looked for when empty. Where it fails, each cluster unpacks for
// itself.
func UnpackImages(ctx context.Context, binary, dataDir string, soon any) error {
	kube, err := FindBinary(binary)
	if err != nil {
		return nil //nolint:nilerr // without the program there are no nodes, which the server tells
	}
	program, err := nodesProgram(kube)
	if err != nil {
		return nil //nolint:nilerr // the same
	}
	request, err := json.Marshal(map[string]any{"images": soon})
	if err != nil {
		return err
	}
	images, err := filepath.Abs(filepath.Join(dataDir, ImagesFolder))
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, layersPatience)
	defer stop()
	cmd := exec.CommandContext(ctx, program, "layers", "--dir", filepath.Join(images, layersFolder), // #nosec: the operator's own program
		"--bin", filepath.Join(filepath.Dir(program), "nodes"), "--kube", kube, "--images", images)
	var words bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(request), &words
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %.500s", err, words.String())
	}
	return nil
}
