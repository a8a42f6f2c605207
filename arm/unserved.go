package arm

import (
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

// unserved refuses the paths of these services. They have no api-version, so the general refusal would lead users astray. The SDKs print
// the code and the message of this shape.
func unserved(path string) error {
	word, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	what, known := otherServices[strings.ToLower(word)]
	if !known || rest == "" {
		return nil
	}
	return berth.Errorf(berth.CodeInvalidResourceType, "Berth does not serve %s (/%s). It serves workspaces, their computes "+
		"(ComputeTarget: create, attach, list, get, update, detach, delete) and the Kubernetes clusters behind them.", what, word)
}
