package main

import (
	"archive/tar"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// imageSize is the size of the file in the image that imageDisk imports, in bytes. It cannot be packed.
const imageSize = 64 << 20

// imageDisk measures what an imported image takes on the disk until so many nodes have it, and how long that takes.
func (b *bench) imageDisk(ctx context.Context, nodes int) error {
	archive := filepath.Join(b.server.dir, "image.tar")
	if err := writeArchive(archive); err != nil {
		return err
	}
	before, err := diskUsed(b.server.dir)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := b.berth(ctx, nil, "image", "import", archive); err != nil {
		return err
	}
	if err := until(ctx, func() bool {
		var all []struct{ Nodes []string }
		err := b.berth(ctx, &all, "image", "list")
		return err == nil && len(all) == 1 && len(all[0].Nodes) == nodes
	}); err != nil {
		return err
	}
	took := time.Since(start)
	after, err := diskUsed(b.server.dir)
	if err != nil {
		return err
	}
	row(fmt.Sprintf("disk of an image on %d nodes of 2 clusters ÷ its files", nodes), fmt.Sprintf("%.2f", float64(after-before)/imageSize),
		"at most 2.2")
	row("import of an image of 64 MB until all of them have it", seconds(took), "")
	return errors.Join(b.berth(ctx, nil, "image", "remove", "example.com/bench:1"), os.Remove(archive))
}

// berth runs a command on the folder of the server, and reads its answer.
func (b *bench) berth(ctx context.Context, into any, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(b.bin, "berth"), append(args, "--data-dir", b.server.dir, "-o", "json")...)
	text, err := cmd.Output()
	if err == nil && into != nil {
		err = json.Unmarshal(text, into)
	}
	return err
}

// writeArchive writes the archive of an image with one file of noise.
func writeArchive(path string) error {
	noise := make([]byte, imageSize)
	rand.Read(noise) // never fails: it ends the program instead
	layer := filepath.Join(filepath.Dir(path), "layer.tar")
	if err := writeTar(layer, map[string][]byte{"noise": noise}); err != nil {
		return err
	}
	text, err := os.ReadFile(layer)
	if err != nil {
		return err
	}
	config := fmt.Sprintf(`{"os":"linux","architecture":%q,"rootfs":{"type":"layers","diff_ids":["sha256:%x"]}}`, runtime.GOARCH,
		sha256.Sum256(text))
	const manifest = `[{"Config":"config.json","RepoTags":["example.com/bench:1"],"Layers":["layer.tar"]}]`
	return errors.Join(os.Remove(layer), writeTar(path, map[string][]byte{"layer.tar": text, "config.json": []byte(config),
		"manifest.json": []byte(manifest)}))
}

func writeTar(path string, files map[string][]byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := tar.NewWriter(f)
	for name, text := range files {
		err = errors.Join(err, w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}))
		_, writeErr := w.Write(text)
		err = errors.Join(err, writeErr)
	}
	return errors.Join(err, w.Close(), f.Close())
}

// diskUsed is what the files below a folder take on the disk, in bytes, each once.
func diskUsed(dir string) (total int64, err error) {
	seen := map[uint64]bool{}
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // gone in the meantime
		}
		info, err := e.Info()
		if err != nil {
			return nil //nolint:nilerr // the same
		}
		if s, is := info.Sys().(*syscall.Stat_t); is && !seen[s.Ino] {
			seen[s.Ino] = true
			total += s.Blocks * 512
		}
		return nil
	})
	return total, err
}

// killed kills the process of the one cluster and measures when all of its nodes are gone, and when they run again.
func (b *bench) killed(ctx context.Context) error {
	children, err := b.server.children()
	if err != nil || len(children) == 0 {
		return errors.Join(err, errors.New("no cluster runs"))
	}
	before := nodeProcesses()
	start := time.Now()
	for _, pid := range children {
		if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err != nil || !strings.Contains(string(line), "\x00serve\x00") {
			continue // it goes with that one
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	if err := until(ctx, func() bool {
		for pid := range before {
			if _, err := cpuTime(pid); err == nil {
				return false
			}
		}
		return true
	}); err != nil {
		return err
	}
	row(fmt.Sprintf("kill -9 of a cluster until its %d processes are gone", len(before)), seconds(time.Since(start)), "at most 2 s")
	if err := until(ctx, func() bool {
		kubelets := 0
		for _, name := range nodeProcesses() {
			if name == "kubelet" {
				kubelets++
			}
		}
		return kubelets == 3
	}); err != nil {
		return err
	}
	row("until 3 kubelets run again", seconds(time.Since(start)), "")
	return nil
}
