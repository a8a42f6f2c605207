package studio

import (
	"net/http"
	"strconv"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// askDeployment asks how a deployment of an online endpoint is to be scaled, or whether it is to be deleted.
func (s *Studio) askDeployment(v *visit) error {
	d := endpointData{Do: v.r.PathValue("do"), Of: v.r.PathValue("deployment")}
	if d.Do != "size" && d.Do != "delete" {
		return s.missing(v)
	}
	return v.showEndpoint(d)
}

// changeDeployment scales or deletes a deployment.
func (s *Studio) changeDeployment(v *visit) (err error) {
	name := v.r.PathValue("name")
	d := endpointData{Do: v.r.PathValue("do"), Of: v.r.PathValue("deployment"), Size: v.sizeTyped()}
	if v.r.PostFormValue("resume") != "" {
		return v.showEndpoint(d)
	}
	switch d.Do {
	case "size":
		if d.Errors, err = v.resizeDeployment(name, &d); d.Errors != nil {
			v.status = http.StatusBadRequest
			return v.showEndpoint(d)
		}
	case "delete":
		if d.Errors = v.unconfirmed(d.Of); d.Errors != nil {
			return v.showEndpoint(d)
		}
		err = v.deleteDeployment(name, d.Of)
	default:
		return s.missing(v)
	}
	if client.Refused(err) && !client.IsNotFound(err) {
		d.Errors, v.status = detailsOf(err), client.StatusOf(err)
		return v.showEndpoint(d)
	}
	if err != nil {
		return err
	}
	return v.redirect(v.onlineLink(name) + "#deployments")
}

// What stands before the name of a deployment in the form of the traffic.
const (
	shareField  = "share-"
	mirrorField = "mirror-"
)

// shares are the percentages that were typed into the fields whose names begin with a prefix, by what follows it. An empty field is none.
func (v *visit) shares(prefix string) (percents map[string]int, wrong []berth.Error) {
	percents = map[string]int{}
	for key := range v.r.PostForm {
		of, is := strings.CutPrefix(key, prefix)
		if !is {
			continue
		}
		typed := strings.TrimSpace(v.r.PostFormValue(key))
		n, err := strconv.Atoi(typed)
		if err != nil && typed != "" {
			wrong = append(wrong, berth.Error{Message: v.T("number.wrong", of, typed)})
		}
		percents[of] = n
	}
	return percents, wrong
}

// moveTraffic changes how the requests of an online endpoint are divided among its deployments.
func (v *visit) moveTraffic(name string) (wrong []berth.Error, err error) {
	properties := client.Object{}
	for what, field := range map[string]string{shareField: "traffic", mirrorField: "mirrorTraffic"} {
		percents, bad := v.shares(what)
		wrong = append(wrong, bad...)
		if len(percents) > 0 {
			properties[field] = percents
		}
	}
	if wrong != nil {
		return wrong, nil
	}
	_, err = v.arm.PatchEndpoint(v.r.Context(), v.space(), name, client.Object{"properties": properties})
	return nil, err
}

// retype puts what was typed into the form of the traffic into its fields.
func (v *visit) retype(e *endpointView) {
	for field, into := range map[string]*string{"default": &e.DefaultTyped, "control": &e.ControlTyped} {
		if typed, is := v.r.PostForm[field]; is {
			*into = typed[0]
		}
	}
	all := e.Deployments
	for i := range all {
		for what, into := range map[string]*string{shareField: &all[i].Share, mirrorField: &all[i].Copy} {
			if typed, is := v.r.PostForm[what+all[i].Name]; is {
				*into = strings.TrimSpace(typed[0])
			}
		}
	}
}

// Total is the sum of the percentages of the requests, as they stand in the form.
func (e endpointView) Total() (sum int) {
	for _, d := range e.Deployments {
		n, _ := strconv.Atoi(d.Share) // what is no number was reported
		sum += n
	}
	return sum
}

// Divided reports whether the sum is possible.
func (e endpointView) Divided() bool { return e.Total() == 100 || e.Total() == 0 }

// idle reports whether no deployment gets requests.
func (e endpointView) idle() bool {
	for _, d := range e.Deployments {
		if d.Percent > 0 {
			return false
		}
	}
	return true
}

// Offer is the deployment that can get all requests, while none has any: the one that is to be served, else the first that has answered.
func (d endpointData) Offer() string {
	if !d.Online || d.Aks || !d.Settled || !d.idle() || d.Do == "traffic" {
		return ""
	}
	first := ""
	for _, one := range d.Deployments {
		if one.State != string(berth.StateSucceeded) {
			continue
		}
		if first == "" || one.Name == d.Serve {
			first = one.Name
		}
	}
	return first
}

// Awaits is the deployment that gets all requests when it is ready; empty for none.
func (d endpointData) Awaits() string {
	for _, one := range d.Deployments {
		if one.Name == d.Serve && d.idle() && one.Busy() {
			return one.Name
		}
	}
	return ""
}

// AskLink is where the form of the question is sent.
func (d endpointData) AskLink() string {
	if d.Of != "" {
		return d.Link + "/d/" + escape(d.Of) + "/" + d.Do
	}
	return d.Link + "/" + d.Do
}

// Subject is what the question is about.
func (d endpointData) Subject() string {
	if d.Of != "" {
		return d.Of
	}
	return d.Name
}

// WhyNot is why what a page asks for cannot be done now; empty when it can.
func (v *visit) WhyNot(d endpointData) string {
	for _, one := range d.Deployments {
		switch {
		case one.Name != d.Of:
		case d.Do == "size" && one.Busy():
			return v.T("busy")
		case d.Do != "delete":
		case d.Aks && one.Name == d.Default:
			return v.T("aks.default.stays")
		case d.Aks: // its requests go to the default version
		case one.Percent > 0:
			return v.T("deployment.used", one.Percent)
		case one.Mirror > 0:
			return v.T("deployment.copied", one.Mirror)
		}
	}
	return ""
}

// Asks reports whether the page asks for a confirmation or for a size. What is divided has a form of its own on the page.
func (d endpointData) Asks() bool { return d.Do != "" && d.Do != "traffic" && d.Do != "versions" }
