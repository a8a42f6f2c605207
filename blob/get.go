package blob

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	cloud "gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// Info describes a file.
type Info struct {
	Name     string    `json:"name"`
	Digest   string    `json:"sha256"`
	Size     int64     `json:"size"`
	ETag     string    `json:"etag"` // changes with the content and with the properties
	Created  time.Time `json:"created"`
	Modified time.Time `json:"modified"`
	// Blocks is a digest of the list of blocks that the file was made from: a list that is sent again, because the first answer was
	// lost, is known by it.
	Blocks string `json:"blocks,omitempty"`
	Properties
}

// Properties are what the owner of a file says about it.
type Properties struct {
	ContentType        string            `json:"contentType,omitempty"`
	ContentEncoding    string            `json:"contentEncoding,omitempty"`
	ContentLanguage    string            `json:"contentLanguage,omitempty"`
	ContentDisposition string            `json:"contentDisposition,omitempty"`
	CacheControl       string            `json:"cacheControl,omitempty"`
	MD5                []byte            `json:"md5,omitempty"` // of the whole content; Put fills it in, Assemble does not
	Metadata           map[string]string `json:"metadata,omitempty"`
}

// Container describes a container.
type Container struct {
	Name     string            `json:"name"`
	ETag     string            `json:"etag"`
	Modified time.Time         `json:"modified"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// Stat describes a file.
func (s *Store) Stat(ctx context.Context, at At) (Info, error) {
	if err := s.check(at); err != nil {
		return Info{}, err
	}
	info, err := s.read(ctx, at)
	if err != nil {
		return Info{}, err
	}
	return *info, nil
}

// read is record for somebody who may refer to the name now: a sweep leaves it for a while.
func (s *Store) read(ctx context.Context, at At) (*Info, error) {
	defer s.lock(at)()
	info, err := s.record(ctx, at)
	if err == nil {
		s.use(at)
	}
	return info, err
}

// Span is a part of a file: Length bytes from Offset on, or everything from there if Length is negative. The zero value is nothing.
type Span struct{ Offset, Length int64 }

// Whole is the span of a whole file.
var Whole = Span{0, -1}

// Get opens a part of a file. Close the reader.
func (s *Store) Get(ctx context.Context, at At, span Span) (Info, io.ReadCloser, error) {
	info, err := s.Stat(ctx, at)
	for err == nil {
		r, missing := s.Content(ctx, info.Digest, span)
		if !errors.Is(missing, ErrNotFound) {
			return info, r, missing
		}
		// A sweep may have removed what the name pointed to a moment ago.
		was := info.ETag
		if info, err = s.Stat(ctx, at); err == nil && info.ETag == was {
			err = fmt.Errorf("the content of '%s' in '%s' is missing: restore the files from a backup", at.Name, at.Container)
		}
	}
	return Info{}, nil, err
}

// Content opens a part of the content with a SHA-256, in hexadecimal. Close the reader.
func (s *Store) Content(ctx context.Context, digest string, span Span) (io.ReadCloser, error) {
	if !digestPattern.MatchString(digest) {
		return nil, fmt.Errorf("%w: a digest has 64 hexadecimal digits", ErrNotFound)
	}
	r, err := s.bucket.NewRangeReader(ctx, contentOf(digest), span.Offset, span.Length, nil)
	if err != nil {
		return nil, missing(err)
	}
	return r, nil
}

// record reads what a name points to.
func (s *Store) record(ctx context.Context, at At) (*Info, error) {
	var info Info
	if err := s.readJSON(ctx, recordKey(at), &info); err != nil {
		return nil, err
	}
	if !digestPattern.MatchString(info.Digest) {
		return nil, fmt.Errorf("the record of '%s' in '%s' has no digest: restore the files from a backup", at.Name, at.Container)
	}
	return &info, nil
}

func (s *Store) readJSON(ctx context.Context, key string, value any) error {
	data, err := s.bucket.ReadAll(ctx, key)
	if err != nil {
		return missing(err)
	}
	return json.Unmarshal(data, value)
}

func (s *Store) remove(ctx context.Context, key string) error {
	return missing(s.bucket.Delete(ctx, key))
}

// missing gives the bucket's error for an object that is not there our name.
func missing(err error) error {
	if gcerrors.Code(err) == gcerrors.NotFound {
		return ErrNotFound
	}
	return err
}

// CreateContainer makes a container, and returns what is there and false if there is one.
func (s *Store) CreateContainer(ctx context.Context, name string, metadata map[string]string) (Container, bool, error) {
	if err := CheckContainer(name); err != nil {
		return Container{}, false, err
	}
	defer s.lock(At{Container: name})()
	c, err := s.Container(ctx, name)
	if !errors.Is(err, ErrNoContainer) {
		return c, false, err
	}
	// A container of this name may have been deleted halfway.
	if err := s.clear(ctx, name); err != nil {
		return Container{}, false, err
	}
	now := s.clock.Now().UTC()
	c = Container{Name: name, ETag: fmt.Sprintf("0x%X", now.UnixNano()), Modified: now, Metadata: metadata}
	return c, true, s.writeJSON(ctx, containerKey+name, c)
}

// Container describes a container.
func (s *Store) Container(ctx context.Context, name string) (Container, error) {
	if err := CheckContainer(name); err != nil {
		return Container{}, err
	}
	var c Container
	err := s.readJSON(ctx, containerKey+name, &c)
	if errors.Is(err, ErrNotFound) {
		err = ErrNoContainer
	}
	return c, err
}

// Containers lists all containers, by name.
func (s *Store) Containers(ctx context.Context) (all []Container, err error) {
	err = s.each(ctx, containerKey, func(object *cloud.ListObject) error {
		c, err := s.Container(ctx, object.Key[len(containerKey):])
		if errors.Is(err, ErrNoContainer) || errors.Is(err, ErrName) {
			return nil // deleted since, or not a container
		}
		if err == nil {
			all = append(all, c)
		}
		return err
	})
	return all, err
}

func (s *Store) hasContainer(ctx context.Context, name string) error {
	there, err := s.bucket.Exists(ctx, containerKey+name)
	if err == nil && !there {
		err = ErrNoContainer
	}
	return err
}
