package studio

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

const (
	// maxUploads is how many files one form may have.
	maxUploads = 1000
	// maxPath bounds the path of a file, in bytes.
	maxPath = 1000
	// fieldCost is counted for each field, besides its name and value.
	fieldCost = 100
	// uploadStall is how long a browser may send nothing while it uploads.
	uploadStall = time.Minute
)

// received is a form whose files have gone to the store of the workspace while they came.
type received struct {
	url.Values
	files map[string]client.Uploaded // by the field of the form
}

// text is a field without the space around it.
func (r *received) text(field string) string { return strings.TrimSpace(r.Get(field)) }

// kept are the files of a field: those that came now, else those that came with an earlier form, which this one names.
func (r *received) kept(field string) client.Uploaded {
	if f := r.files[field]; len(f.Paths) > 0 {
		return f
	}
	var out client.Uploaded
	if json.Unmarshal([]byte(r.Get(field+"-kept")), &out) != nil || len(out.Paths) > maxUploads {
		return client.Uploaded{} // not written by a page
	}
	return out
}

// modelKind is the kind of a model for its registration, as chosen; without a choice it is that of the files. They are paths, or what a
// browser calls them while the form is typed.
func modelKind(chosen string, files []string) string {
	if chosen == client.KindMLflow || chosen == "" && savedByMLflow(files) {
		return client.KindMLflow
	}
	return ""
}

// savedByMLflow reports whether files are what MLflow saves: with the file MLmodel, in their only folder or in none.
func savedByMLflow(files []string) bool {
	const describes = "MLmodel"
	at := slices.IndexFunc(files, func(f string) bool {
		return f == describes || strings.HasSuffix(f, "/"+describes) && strings.Count(f, "/") == 1
	})
	if at < 0 {
		return false
	}
	folder := strings.TrimSuffix(files[at], describes)
	return !slices.ContainsFunc(files, func(f string) bool { return !strings.HasPrefix(f, folder) })
}

// assetName reports whether a name can be that of an asset in an address of Resource Manager.
func assetName(name string) bool { return nameable.MatchString(name) && strings.Trim(name, ".") != "" }

// judgeKind says why files cannot be a model of the kind that was chosen; empty when they can.
func (v *visit) judgeKind(chosen string, files []string) string {
	if chosen == client.KindMLflow && len(files) > 0 && !savedByMLflow(files) {
		return v.T("register.mlflow.none")
	}
	return ""
}

// keptText is how a form names files that have come.
func keptText(u client.Uploaded) string {
	if len(u.Paths) == 0 {
		return ""
	}
	text, _ := json.Marshal(u) // texts
	return string(text)
}

// patientBody moves the deadline of the connection with each read: an upload may take longer than other requests.
type patientBody struct {
	io.ReadCloser
	control *http.ResponseController
}

// Read implements io.Reader.
func (b patientBody) Read(p []byte) (int, error) {
	_ = b.control.SetReadDeadline(time.Now().Add(uploadStall)) // not every writer has deadlines
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.control.SetReadDeadline(time.Time{}) // what follows does not read
	}
	return n, err
}

// receive reads a form. It is nil, with what is wrong, when the form cannot be used.
func (v *visit) receive() (*received, []berth.Error, error) {
	out := &received{Values: url.Values{}, files: map[string]client.Uploaded{}}
	v.r.Body = patientBody{v.r.Body, http.NewResponseController(v.w)}
	parts, err := v.r.MultipartReader()
	if errors.Is(err, http.ErrNotMultipart) {
		v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxForm)
		err = v.r.ParseForm()
		out.Values = v.r.PostForm
	}
	if err != nil {
		return nil, v.unread(), nil
	}
	places := map[string]*client.Uploading{}
	for texts, count := maxForm, 0; parts != nil; {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return out, nil, nil
		}
		if err != nil {
			return nil, v.unread(), nil
		}
		name, isFile := fileName(part)
		if !isFile {
			value, err := io.ReadAll(io.LimitReader(part, int64(texts)+1))
			if texts -= len(value) + len(part.FormName()) + fieldCost; err != nil || texts < 0 {
				return nil, v.unread(), nil
			}
			out.Add(part.FormName(), string(value))
			continue
		}
		if count++; count > maxUploads {
			return nil, []berth.Error{{Message: v.T("upload.many", maxUploads)}}, nil
		}
		to := places[part.FormName()]
		if to == nil {
			to = v.arm.NewModelUpload(v.space())
			places[part.FormName()] = to
		}
		if err := to.Add(v.r.Context(), client.File{Path: name, Open: func() (io.ReadCloser, error) { return part, nil }}); err != nil {
			return nil, nil, err
		}
		out.add(part.FormName(), client.Uploaded{Prefix: to.Prefix(), Paths: []string{name}})
	}
	return out, nil, nil
}

func (v *visit) unread() []berth.Error { return []berth.Error{{Message: v.T("upload.unread")}} }

func (r *received) add(field string, one client.Uploaded) {
	all := r.files[field]
	all.Prefix = one.Prefix
	if !slices.Contains(all.Paths, one.Paths[0]) { // a later file of the same path has replaced the earlier one
		all.Paths = append(all.Paths, one.Paths[0])
	}
	r.files[field] = all
}

// fileName is the path of a file in a form, without what leads out of its folder. A field without a chosen file is none.
func fileName(part *multipart.Part) (name string, is bool) {
	_, of, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if err != nil || of["filename"] == "" {
		return "", false
	}
	var words []string
	for word := range strings.SplitSeq(strings.ReplaceAll(of["filename"], "\\", "/"), "/") {
		word = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return -1
			}
			return r
		}, word)
		if word != "" && word != "." && word != ".." {
			words = append(words, word)
		}
	}
	name = path.Join(words...)
	if name == "" || len(name) > maxPath {
		return "file", true
	}
	return name, true
}

// space is the workspace of the address, for the client.
func (v *visit) space() client.WorkspaceName {
	return client.WorkspaceName{Group: v.Group(), Name: v.Workspace()}
}
