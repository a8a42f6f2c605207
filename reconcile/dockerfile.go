package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/models"
	"berth.dev/berth/serving"
)

// dockerfile is the folder of which the image of an environment is built, and where its files, and those that rest opens, are read.
func (s *scope) dockerfile(ctx context.Context, build *berth.ServiceBuild, rest serving.Source) (*serving.Dockerfile, serving.Source,
	error) {
	if build.Text != "" {
		sum := sha256.Sum256([]byte(build.Text))
		only := serving.File{Path: "Dockerfile", Digest: hex.EncodeToString(sum[:]), Size: int64(len(build.Text))}
		return &serving.Dockerfile{Path: only.Path, Files: []serving.File{only}},
			func(ctx context.Context, digest string, offset int64) (io.ReadCloser, error) {
				if digest == only.Digest {
					return io.NopCloser(strings.NewReader(build.Text[offset:])), nil
				}
				return rest(ctx, digest, offset)
			}, nil
	}
	found, err := models.Sources{Store: s.Store, Files: s.Files}.Folder(ctx, s.id().Top(), build.Folder)
	if err != nil {
		return nil, nil, err
	}
	files := make([]serving.File, 0, len(found))
	for _, f := range found {
		files = append(files, serving.File(f))
	}
	files, packed, err := serving.Pack(ctx, files, s.content)
	if err != nil {
		return nil, nil, err
	}
	own := map[string]bool{}
	for _, f := range files {
		own[f.Digest] = true
	}
	return &serving.Dockerfile{Path: build.Path, Files: files},
		func(ctx context.Context, digest string, offset int64) (io.ReadCloser, error) {
			if own[digest] {
				return packed(ctx, digest, offset)
			}
			return rest(ctx, digest, offset)
		}, nil
}
