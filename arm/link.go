package arm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/template"
	"berth.dev/berth/wire"
)

const (
	maxTemplate  = 4 << 20 // as a request's body
	linkPatience = 20 * time.Second
)

// followLinks replaces links by the documents that they name. It fetches only from hosts that the server's configuration permits: a
// caller must not choose the hosts to which this server connects.
func (s *Server) followLinks(ctx context.Context, in *wire.TemplateDeploymentPut) error {
	p := &in.Properties
	for _, l := range []struct {
		name string
		link map[string]any
		into *map[string]any
	}{{"templateLink", p.TemplateLink, &p.Template}, {"parametersLink", p.ParametersLink, &p.Parameters}} {
		if l.link == nil {
			continue
		}
		found, err := s.follow(ctx, l.link)
		if err == nil && l.name == "parametersLink" { // a file of parameters has them in the key parameters
			inside, isFile := found["parameters"].(map[string]any)
			if found = inside; !isFile {
				err = errors.New("it is not a file of parameters: it has no object parameters")
			}
		}
		if err != nil {
			return &berth.Error{Code: template.CodeInvalidTemplate, Target: "properties." + l.name,
				Message: fmt.Sprintf("The %s cannot be followed: %v.", l.name, err)}
		}
		*l.into = found
	}
	return nil
}

func (s *Server) follow(ctx context.Context, link map[string]any) (map[string]any, error) {
	uri, _ := link["uri"].(string)
	u, err := url.Parse(uri)
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil:
		return nil, errors.New("uri is not an https address (template specs and relative paths are not supported)")
	case !slices.ContainsFunc(s.TemplateHosts, func(h string) bool { return strings.EqualFold(h, u.Host) }):
		return nil, fmt.Errorf("the server may not fetch templates from '%.100s'. Send the template itself (az: --template-file), or "+
			"ask the operator to start Berth with --template-host", u.Host)
	}
	ctx, cancel := context.WithTimeout(ctx, linkPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, errors.New("uri cannot be read")
	}
	res, err := s.Links.Do(req)
	if err != nil {
		return nil, withoutAddress(err)
	}
	defer func() { _ = res.Body.Close() }() // only read
	if res.StatusCode != http.StatusOK {    // a redirect too: it may lead to a host that is not permitted
		return nil, fmt.Errorf("'%s' answers %s", u.Host, res.Status)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxTemplate+1))
	if err != nil {
		return nil, fmt.Errorf("'%s' ended the answer too early", u.Host)
	}
	if len(text) > maxTemplate {
		return nil, fmt.Errorf("it is larger than %d MB", maxTemplate>>20)
	}
	var found map[string]any
	if err := wire.Decode(wire.Relaxed(text), &found); err != nil {
		return nil, errors.New("it is not a JSON object")
	}
	want, _ := link["contentVersion"].(string)
	if have, _ := found["contentVersion"].(string); want != "" && want != have {
		return nil, fmt.Errorf("its contentVersion is '%.40s', not '%.40s'", have, want)
	}
	return found, nil
}

// withoutAddress removes the address from an error: its query may contain a secret that gives access.
func withoutAddress(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
