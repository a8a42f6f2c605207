package models

import (
	"context"
	"errors"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/blob"
)

// Files of a workspace are in a container of its own, under the name "origin/container/path" of the artifact that they are.

// Container is the container of a workspace's files.
func Container(w *berth.Workspace) string { return "azureml-" + w.WorkspaceID }

func (q *Request) container() string { return Container(q.workspace.Body.(*berth.Workspace)) }

const (
	// uploadTime is how long an address for an upload is good: the SDK gives a file of 5 GB 80 hours, and makes a new address each time.
	uploadTime   = 24 * time.Hour
	downloadTime = time.Hour
	maxArtifacts = 10_000 // in one request
)

// createArtifacts answers addresses to which files can be uploaded. They are artifacts once they are there.
func (s *Server) createArtifacts(q *Request) (*Answer, error) {
	var in struct {
		Paths []struct {
			Path string `json:"path"`
		} `json:"paths"`
	}
	if err := decode(q.Body, &in); err != nil {
		return nil, err
	}
	if len(in.Paths) > maxArtifacts {
		return nil, berth.Errorf(berth.CodeBadRequest, "The request has %d paths; at most %d are possible.", len(in.Paths), maxArtifacts)
	}
	if _, _, err := s.Files.CreateContainer(q.Context, q.container(), nil); err != nil {
		return nil, err
	}
	artifacts, contents := object{}, object{}
	failed := object{}
	for _, p := range in.Paths {
		name := q.words[0] + "/" + q.words[1] + "/" + p.Path
		if !validArtifact(p.Path) {
			failed[p.Path] = object{"error": object{"code": berth.CodeInvalidName, "message": "'" + p.Path + "' is not a path of a file."}}
			continue
		}
		one := object{"artifactId": name, "origin": q.words[0], "container": q.words[1], "path": p.Path, "etag": nil,
			"createdTime": clockTime(s.Clock.Now())}
		artifacts[p.Path] = one
		contents[p.Path] = s.content(q, name, p.Path, "rcw", uploadTime)
	}
	return ok(object{"artifacts": artifacts, "artifactContentInformation": contents, "errors": failed}), nil
}

// validArtifact reports whether a path stays where it is.
func validArtifact(path string) bool {
	for word := range strings.SplitSeq(path, "/") {
		if word == "" || word == "." || word == ".." {
			return false
		}
	}
	return !strings.ContainsAny(path, "\\\x00")
}

// content says where a file is read or written.
func (s *Server) content(q *Request, name, path, permissions string, life time.Duration) object {
	query := s.Sign(q.container(), name, permissions, s.Clock.Now().Add(life))
	return object{"contentUri": s.FilesURL + "/" + q.container() + "/" + escaped(name) + "?" + query,
		"origin": q.words[0], "container": q.words[1], "path": path}
}

// artifactContent answers the address of one file.
func (s *Server) artifactContent(q *Request) (*Answer, error) {
	name := strings.Join(q.words, "/")
	_, err := s.Files.Stat(q.Context, blob.At{Container: q.container(), Name: name})
	if errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrNoContainer) || errors.Is(err, blob.ErrName) {
		return nil, berth.Errorf(berth.CodeNotFound, "There is no artifact with the name '%s'.", name)
	}
	if err != nil {
		return nil, err
	}
	return ok(s.content(q, name, q.words[2], "r", downloadTime)), nil
}

// artifactContents answers the addresses of all files below a prefix.
func (s *Server) artifactContents(q *Request) (*Answer, error) {
	prefix := strings.Join(q.words, "/")
	names, err := FilesOf(q.Context, s.Files, q.container(), []berth.AssetFiles{{Prefix: prefix}})
	if err != nil {
		return nil, err
	}
	value := []object{}
	for _, n := range names {
		value = append(value, s.content(q, n.Name, strings.TrimPrefix(n.Name, q.words[0]+"/"+q.words[1]+"/"), "r", downloadTime))
	}
	return ok(object{"value": value, "continuationToken": nil}), nil
}

// FilesOf are the files that the references name. CodeNotFound when there is none for one of them.
func FilesOf(ctx context.Context, files *blob.Store, container string, of []berth.AssetFiles) (all []blob.Info, err error) {
	for _, f := range of {
		found, err := filesBelow(ctx, files, container, f)
		if err != nil && !errors.Is(err, blob.ErrNoContainer) {
			return nil, err
		}
		if len(found) == 0 {
			return nil, berth.Errorf(berth.CodeNotFound, "There is no artifact with the name '%s': upload it first.", f.ID+f.Prefix)
		}
		all = append(all, found...)
	}
	return all, nil
}

func filesBelow(ctx context.Context, files *blob.Store, container string, f berth.AssetFiles) (all []blob.Info, err error) {
	exact, err := files.Stat(ctx, blob.At{Container: container, Name: f.ID + f.Prefix})
	if err == nil {
		return []blob.Info{exact}, nil
	}
	if !errors.Is(err, blob.ErrNotFound) || f.ID != "" {
		return nil, ignoreName(err)
	}
	q := blob.Query{Prefix: strings.TrimSuffix(f.Prefix, "/") + "/"}
	for {
		page, err := files.List(ctx, container, q)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Files...)
		if len(all) > maxArtifacts {
			return nil, berth.Errorf(berth.CodeBadRequest, "Below '%s' there are more than %d files.", f.Prefix, maxArtifacts)
		}
		if q.Marker = page.Next; q.Marker == "" {
			return all, nil
		}
	}
}

// ignoreName makes a name that no file can have one that no file has.
func ignoreName(err error) error {
	if errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrName) {
		return nil
	}
	return err
}
