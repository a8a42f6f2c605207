package arm

import (
	"fmt"
	"strings"

	"berth.dev/berth"
)

// otherServices are the services of Azure Machine Learning that its SDKs reach beside Resource Manager, by the first word of the path.
var otherServices = map[string]string{
	"artifact": "artifacts", "content": "artifacts", "credential": "datastores", "data": "data assets", "datacache": "data assets",
	"dataset": "datasets", "datastore": "datastores", "environment": "environments", "execution": "runs", "experimentservice": "experiments",
	"history": "experiments and runs", "hyperdrive": "hyperparameter tuning", "jasmine": "automated machine learning",
	"labeling": "data labelling", "metric": "metrics of runs", "mferp": "jobs", "modelmanagement": "models and web services",
	"modelregistry": "models", "notebook": "notebooks", "pipelines": "pipelines", "rp": "this part of the workspace",
	"studioservice": "the designer",
}

// unserved refuses the paths of these services; nil for all others. They have no api-version, so the general refusal would lead users
// astray. Each service had a shape of errors of its own: the SDKs print the message from "error" or from the top, and some iterate over
// the details without looking whether there are any.
func unserved(path string) *response {
	word, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	what, known := otherServices[strings.ToLower(word)]
	if !known || rest == "" {
		return nil
	}
	code, status := berth.CodeInvalidResourceType, statusOf(berth.CodeInvalidResourceType)
	message := fmt.Sprintf("Berth does not serve %s (/%s). It serves workspaces, their computes (ComputeTarget: create, attach, list, get, "+
		"update, detach, delete) and the Kubernetes clusters behind them.", what, word)
	none := []any{}
	return &response{status: status, header: map[string]string{"x-ms-error-code": string(code)}, body: map[string]any{
		"error": map[string]any{"code": code, "message": message, "details": none},
		"code":  code, "message": message, "statusCode": status, "details": none,
	}}
}
