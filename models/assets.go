package models

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
)

// Assets are what version 2 of the SDK registers in a workspace, through Resource Manager.
type Assets struct {
	*Server
	Context   context.Context
	Workspace *berth.Resource
	Type      string // of the versions
}

// assetKind is what the types of assets differ in.
type assetKind struct {
	what    string   // in sentences
	address string   // the property that leads to the files
	fixed   []string // the properties that a version does not change, besides address
	plain   []string // those that describe: they are kept without a warning
	always  map[string]any
}

// assetKinds by the type of the versions.
var assetKinds = map[string]assetKind{
	berth.TypeModelVersion: {what: "model", address: "modelUri", fixed: []string{"modelType"}, plain: []string{"flavors", "jobName", "stage"},
		always: map[string]any{"flavors": object{}, "jobName": nil, "stage": nil, "modelType": "custom_model"}},
	berth.TypeEnvironmentVersion: {what: "environment", fixed: []string{"image", "condaFile", "inferenceConfig", "osType", "build"},
		always: map[string]any{"osType": "Linux", "environmentType": "UserCreated"}},
	berth.TypeCodeVersion: {what: "code", address: "codeUri"},
	berth.TypeDataVersion: {what: "data", address: "dataUri", fixed: []string{"dataType"}, plain: []string{"referencedUris"}},
}

var (
	commonProperties = []string{"description", "tags", "properties", "isAnonymous", "isArchived"}
	answeredOnly     = []string{"provisioningState", "environmentType", "latestVersion", "nextVersion", "systemMetadata"}
)

// Planned is what a PUT asks for.
type Planned struct {
	Body       berth.Body
	Tags       map[string]string
	Violations []rules.Violation
}

// sentVersion are the "properties" of a version that Berth reads.
type sentVersion struct {
	Tags       map[string]string `json:"tags"`
	Properties map[string]any    `json:"properties"`
	Archived   bool              `json:"isArchived"`
	ModelURI   string            `json:"modelUri"`
	ModelType  string            `json:"modelType"`
	CodeURI    string            `json:"codeUri"`
	DataURI    string            `json:"dataUri"`
	DataType   string            `json:"dataType"`
	OS         string            `json:"osType"`
	environmentV2
}

// Version plans a version as it was sent; old is nil when there is none.
func (a Assets) Version(id berth.ID, old *berth.Resource, properties json.RawMessage) (Planned, error) {
	kind := assetKinds[a.Type]
	kept, in := object{}, sentVersion{}
	if err := errors.Join(decodeProperties(properties, &kept), decodeProperties(properties, &in)); err != nil {
		return Planned{}, err
	}
	maps.DeleteFunc(kept, func(name string, value any) bool { return value == nil || slices.Contains(answeredOnly, name) })
	asset := rules.Asset{What: kind.what, Name: id.Parent().Name(), Version: id.Name(), Size: len(properties), Tags: in.Tags,
		Properties: in.Properties}
	for _, name := range slices.Sorted(maps.Keys(kept)) {
		if name != kind.address && !slices.Contains(slices.Concat(commonProperties, kind.fixed, kind.plain), name) {
			asset.Unmet = append(asset.Unmet, "properties."+name)
		}
	}
	files, found, err := a.filesAt(id, &in)
	if err != nil {
		return Planned{}, err
	}
	if in.Build != nil {
		var wrong []rules.Violation
		if files, wrong, err = a.contextAt(in.Build); err != nil {
			return Planned{}, err
		}
		found = append(found, wrong...)
	}
	asset.Found = append(found, judged(id, &in)...)
	if old != nil {
		asset.Changed = a.changed(old, kept)
	}
	if len(files) > 0 && kind.address != "" && a.Type != berth.TypeCodeVersion { // one form for all: the SDK cannot download by the others
		kept[kind.address] = a.address(files[0].Prefix)
	}
	delete(kept, "tags")
	delete(kept, "isArchived")
	body, err := bodyOf(id, old, kept, files, in.Archived)
	return Planned{Body: body, Tags: in.Tags, Violations: rules.Registered(asset)}, err
}

func decodeProperties(properties json.RawMessage, into any) error {
	if len(properties) == 0 {
		return berth.Errorf(berth.CodeInvalidRequest, "The request has no properties.")
	}
	return decode(properties, into)
}

// filesAt are the files to which the address of a version leads.
func (a Assets) filesAt(id berth.ID, in *sentVersion) (files []berth.AssetFiles, found []rules.Violation, err error) {
	kind := assetKinds[a.Type]
	target, address := "properties."+kind.address, cmp.Or(in.ModelURI, in.CodeURI, in.DataURI)
	switch {
	case kind.address == "":
		return nil, nil, nil
	case address == "":
		return nil, []rules.Violation{{Code: berth.CodeBadRequest, Target: target,
			Message: fmt.Sprintf("The %s has no address of its files (%s).", kind.what, kind.address)}}, nil
	case id.Is(berth.TypeDataVersion) && !strings.HasPrefix(strings.ToLower(address), "azureml:"):
		return nil, otherData(address), nil
	}
	name, err := PathIn(address, a.Workspace, a.FilesURL)
	if err == nil {
		files = []berth.AssetFiles{{Prefix: name}}
		_, err = FilesOf(a.Context, a.Files, a.container(), files)
		if id.Is(berth.TypeDataVersion) && berth.ErrorCode(err) == berth.CodeNotFound { // data may come later
			err = nil
		}
	}
	if v, isOurs := rules.Of(err); isOurs {
		v[0].Target, v[0].Code = target, berth.CodeBadRequest
		return files, v, nil
	}
	return files, nil, err
}

// contextAt is the folder of which an image is to be built. Its Dockerfile must be there.
func (a Assets) contextAt(b *buildContext) ([]berth.AssetFiles, []rules.Violation, error) {
	const target = "properties.build.contextUri"
	if !filepath.IsLocal(b.path()) {
		return nil, []rules.Violation{{Code: berth.CodeBadRequest, Target: "properties.build.dockerfilePath",
			Message: fmt.Sprintf("The path '%.200s' of the Dockerfile leads out of the folder.", b.Dockerfile)}}, nil
	}
	name, err := PathIn(b.URI, a.Workspace, a.FilesURL)
	if err == nil {
		_, err = FilesOf(a.Context, a.Files, a.container(), []berth.AssetFiles{{ID: path.Join(name, b.path())}})
	}
	if v, isOurs := rules.Of(err); isOurs {
		v[0].Target, v[0].Code = target, berth.CodeBadRequest
		return nil, v, nil
	}
	return []berth.AssetFiles{{Prefix: name}}, nil, err
}

// otherData judges an address of data elsewhere, which Berth never opens.
func otherData(address string) []rules.Violation {
	scheme, rest, found := strings.Cut(address, "://")
	if found && scheme != "" && rest != "" && len(address) <= 2000 && !strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' }) {
		return nil
	}
	return []rules.Violation{{Code: berth.CodeBadRequest, Target: "properties.dataUri",
		Message: fmt.Sprintf("'%.100s' is not an address, such as https://host/path. Local files are uploaded by the SDK.", address)}}
}

func (a Assets) container() string { return Container(a.Workspace.Body.(*berth.Workspace)) }

// judged are the rules of one type.
func judged(id berth.ID, in *sentVersion) []rules.Violation {
	switch {
	case id.Is(berth.TypeModelVersion):
		return rules.ModelType(in.ModelType)
	case id.Is(berth.TypeDataVersion):
		return rules.DataType(in.DataType)
	case id.Is(berth.TypeEnvironmentVersion):
		f := rules.EnvironmentFacts{Image: in.Image, OS: in.OS, Build: in.Build != nil, Routes: in.routes(),
			Conda: in.CondaFile != ""}
		var e environment
		var vs []rules.Violation
		if in.CondaFile != "" {
			if err := in.conda(&e.Python.Conda); err != nil {
				vs, _ = rules.Of(err) // it is always for users
				vs[0].Target = "properties.condaFile"
			}
		}
		f.Unread = e.unreadPackages()
		return slices.Concat(vs, rules.EnvironmentName(id.Parent().Name()), rules.Environment(f))
	}
	return nil
}

// changed are the properties of a version that a request would change and that do not change.
func (a Assets) changed(old *berth.Resource, sent object) (names []string) {
	kind, was := assetKinds[a.Type], a.Properties(old)
	same := func(name string, a, b any) bool {
		a, b = cmp.Or(a, kind.always[name]), cmp.Or(b, kind.always[name])
		if isText(a) && isText(b) && slices.Contains([]string{"modelType", "dataType", "osType"}, name) {
			return strings.EqualFold(a.(string), b.(string))
		}
		return reflect.DeepEqual(a, b)
	}
	for _, name := range kind.fixed {
		if !same(name, plain(was[name]), plain(sent[name])) {
			names = append(names, name)
		}
	}
	if kind.address == "" || was[kind.address] == sent[kind.address] {
		return names
	}
	before, _ := was[kind.address].(string)
	after, _ := sent[kind.address].(string)
	one, errOne := PathIn(before, a.Workspace, a.FilesURL)
	two, errTwo := PathIn(after, a.Workspace, a.FilesURL)
	if errOne != nil || errTwo != nil || one != two {
		names = append(names, kind.address)
	}
	return names
}

func isText(v any) bool { _, is := v.(string); return is }

// plain makes what is as good as left out nil.
func plain(v any) any {
	if o, is := v.(object); is && len(o) == 0 || v == "" {
		return nil
	}
	return v
}

// bodyOf is the body to store. What version 1 of the SDK has registered stays in its form.
func bodyOf(id berth.ID, old *berth.Resource, kept object, files []berth.AssetFiles, archived bool) (berth.Body, error) {
	request, err := encode(kept)
	if err != nil {
		return nil, err
	}
	switch {
	case id.Is(berth.TypeModelVersion):
		if old != nil && !old.Body.(*berth.ModelVersion).V2 {
			m := *old.Body.(*berth.ModelVersion)
			m.Archived = archived
			m.Request, err = described(m.Request, kept)
			return &m, err
		}
		return &berth.ModelVersion{Request: request, V2: true, Files: files, Archived: archived}, nil
	case id.Is(berth.TypeEnvironmentVersion):
		if old != nil && !old.Body.(*berth.EnvironmentVersion).V2 {
			e := *old.Body.(*berth.EnvironmentVersion)
			e.Archived = archived
			e.Request, err = described(e.Request, kept)
			return &e, err
		}
		e := &berth.EnvironmentVersion{Request: request, V2: true, Archived: archived}
		if len(files) > 0 {
			e.Folder = files[0]
		}
		return e, nil
	case id.Is(berth.TypeCodeVersion):
		return &berth.CodeVersion{Request: request, Files: files}, nil
	}
	return &berth.DataVersion{Request: request, Files: files, Archived: archived}, nil
}

// described is a request of version 1 of the SDK with what version 2 may change in it.
func described(request json.RawMessage, kept object) (json.RawMessage, error) {
	o := fields(request)
	for _, name := range []string{"description", "properties", "stage"} {
		if value, there := kept[name]; there {
			o[name] = value
		} else {
			delete(o, name)
		}
	}
	return encode(o)
}

// Container plans what has versions, as it was sent.
func (a Assets) Container(id berth.ID, old *berth.Resource, properties json.RawMessage) (Planned, error) {
	var in sentVersion
	kept := object{}
	if err := errors.Join(decodeProperties(properties, &kept), decodeProperties(properties, &in)); err != nil {
		return Planned{}, err
	}
	maps.DeleteFunc(kept, func(name string, value any) bool {
		return value == nil || slices.Contains(answeredOnly, name) || name == "tags" || name == "isArchived"
	})
	asset := rules.Asset{What: assetKinds[a.Type].what, Name: id.Name(), Version: "1", Size: len(properties), Tags: in.Tags,
		Properties: in.Properties}
	for _, name := range slices.Sorted(maps.Keys(kept)) {
		if !slices.Contains(slices.Concat(commonProperties, []string{"dataType"}), name) {
			asset.Unmet = append(asset.Unmet, "properties."+name)
		}
	}
	request, err := encode(kept)
	body := &berth.Versions{Type: strings.TrimSuffix(a.Type, "/versions"), Request: request, Archived: in.Archived}
	if old != nil {
		body.Newest = old.Body.(*berth.Versions).Newest
	}
	return Planned{Body: body, Tags: in.Tags, Violations: rules.Registered(asset)}, err
}

// Count notes the number of a version before it is stored, so that no number is given twice.
func (a Assets) Count(version berth.ID, caller string) error {
	number, err := strconv.Atoi(version.Name())
	if err != nil || number < 0 {
		number = 0
	}
	_, err = a.count(counted{ctx: a.Context, workspace: a.Workspace, id: version.Parent(), typ: strings.TrimSuffix(a.Type, "/versions"),
		caller: caller}, func(newest int) int { return max(newest, number) })
	return err
}

// Newest is the version that was registered last; nil when there is none.
func (a Assets) Newest(of berth.ID) (*berth.Resource, error) {
	all, err := a.Versions(of)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0], nil
}

// Versions are the versions of a model or of another asset, the newest first.
func (a Assets) Versions(of berth.ID) ([]*berth.Resource, error) {
	all, err := a.Store.All(a.Context, store.Query{Type: a.Type, Parent: of})
	if len(all) == 0 && a.Type == berth.TypeEnvironmentVersion {
		if own := CuratedVersion(of.Child("versions", catalog.CuratedVersion)); own != nil {
			all = append(all, own)
		}
	}
	slices.SortStableFunc(all, func(a, b *berth.Resource) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return all, err
}
