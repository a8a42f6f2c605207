package browser

import (
	"io"
	"path/filepath"
	"strings"

	"github.com/chromedp/chromedp"

	"berth.dev/berth/client"
)

// aksEndpoint makes an AksEndpoint with two versions of one model, as version 1 of the SDK does.
func (b *tab) aksEndpoint(name string) {
	b.t.Helper()
	c := asClient(b.t, b.s)
	model := client.ModelRequest{Name: "factor", Path: writeFile(b.t, filepath.Join(b.t.TempDir(), "model.json"), `{"factor": 3}`)}
	if _, err := c.RegisterModel(b.t.Context(), vision, model); err != nil {
		b.t.Fatal(err)
	}
	script := func(text string) client.File {
		return client.File{Path: "score.py", Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
	}
	version := func(text string, share int, isDefault bool) client.Object {
		prefix, err := c.Upload(b.t.Context(), vision, []client.File{script(text)})
		if err != nil {
			b.t.Fatal(err)
		}
		environment := client.Object{"name": "plain", "docker": client.Object{}, "python": client.Object{"userManagedDependencies": false,
			"condaDependencies": client.Object{"name": "project_environment", "dependencies": []any{}}},
			"environmentVariables": client.Object{"AZUREML_ENTRY_SCRIPT": "score.py"}}
		asset := client.Object{"id": "score.py", "mimeType": "application/x-python", "unpack": false,
			"url": "aml://artifact/" + prefix + "score.py"}
		return client.Object{"trafficPercentile": share, "isDefault": isDefault, "environmentImageRequest": client.Object{
			"modelIds": []string{"factor:1"}, "assets": []any{asset}, "environment": environment}, "numReplicas": 1,
			"containerResourceRequirements": client.Object{"cpu": 0.1, "memoryInGB": 0.3}}
	}
	op, err := c.DeployService(b.t.Context(), vision, client.Object{"name": name, "computeType": "AKSENDPOINT", "computeName": "nearby",
		"authEnabled": true, "versions": client.Object{"blue": version(entry, 60, true), "green": version(adder, 30, false)}})
	if err != nil || op == nil {
		b.t.Fatal(err)
	}
}

// versioned changes the versions of an AksEndpoint: their parts of the requests, which one is the default and the control one, and their
// size; and removes one.
func (b *tab) versioned() {
	const page = "/studio/w/rg/vision/online/both"
	b.aksEndpoint("both")
	b.visit(page)
	b.sees("Healthy", "Versions", "2 / 2", "Sum: 90 %", "gets the rest: 10 %")
	b.run(set("#test [name=deployment]", "green"))
	b.test(`{"data": [2, 5]}`)
	b.sees("200 OK", "5,", "8")
	b.click("The same as code")
	b.sees(`AksEndpoint(ws, "both")`, "berth ml endpoint realtime run -n both")
	b.onlineShown(page, page+"/d/blue/size", page+"/d/blue/delete", page+"/d/green/delete")

	b.visit(page)
	b.run(set("[name=share-blue]", ""), keys("[name=share-blue]", "90"))
	b.sees("Sum: 120 %", "At most 100 is possible")
	var disabled bool
	b.run(chromedp.Evaluate("document.querySelector('form[data-sum] button').disabled", &disabled))
	if !disabled {
		b.t.Error("a division of 120 percent can be saved")
	}
	for form, want := range map[*map[string]string]string{
		{"share-blue": "90", "share-green": "30", "default": "blue"}:   "is 120 in sum",
		{"share-blue": "some", "share-green": "30", "default": "blue"}: "“some”",
		{"share-blue": "10", "share-green": "30"}:                      "No version is the default one",
		{"share-none": "10", "default": "none"}:                        "has no version 'none'",
	} {
		if text := b.sent(page+"/versions", *form); !strings.HasPrefix(text, "400 ") || !strings.Contains(text, want) {
			b.t.Errorf("%v: %.300s", *form, text)
		}
	}
	b.run(set("[name=share-blue]", ""), keys("[name=share-blue]", "20"), set("[name=share-green]", ""), keys("[name=share-green]", "40"))
	b.sees("Sum: 60 %", "gets the rest: 40 %")
	b.run(press("[name=default][value=green]"), press("[name=control][value=blue]"))
	b.loads(press("form[data-sum] button"))
	b.version("blue", client.Object{"trafficPercentile": 20.0, "isDefault": false, "type": "Control"})
	b.version("green", client.Object{"trafficPercentile": 40.0, "isDefault": true, "type": "Treatment"})
	b.sees("Healthy")
	b.versionGoes(page)
}

// versionGoes scales and removes the versions of an endpoint whose default version is green.
func (b *tab) versionGoes(page string) {
	b.visit(page + "/d/green/delete")
	b.sees("It is the default version", "Choose another default version")
	b.visit(page + "/d/blue/size")
	b.run(set("[name=memory]", "0"))
	b.loads(press("section.ask button.main"))
	b.sees("memory_gb must be greater than zero")
	b.run(set("[name=memory]", "0.3"), set("[name=replicas]", "2"))
	b.loads(press("section.ask button.main"))
	b.sees("2 / 2", "3 / 3")
	b.version("blue", client.Object{"numReplicas": 2.0})
	b.visit(page + "/d/blue/delete")
	b.sees("its part of the requests goes to the default version")
	b.run(keys("[name=confirm]", "blue"))
	b.loads(press("section.ask button.danger"))
	b.run(goes("[name=share-blue]"))
	b.sees("Healthy")
	b.visit(page + "/delete")
	b.run(keys("[name=confirm]", "both"))
	b.loads(press("section.ask button.danger"))
	b.sees("No endpoint yet")
}

// version fails the test unless a version of the endpoint has these fields.
func (b *tab) version(name string, want client.Object) {
	b.t.Helper()
	endpoint, err := asClient(b.t, b.s).GetService(b.t.Context(), vision, "both")
	if err != nil {
		b.t.Fatal(err)
	}
	versions, _ := endpoint["versions"].(client.Object)
	have, _ := versions[name].(client.Object)
	for field, value := range want {
		if have[field] != value {
			b.t.Errorf("%s of %s is %v, not %v", field, name, have[field], value)
		}
	}
}
