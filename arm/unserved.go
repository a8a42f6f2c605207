package arm

import (
	"fmt"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/models"
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
		"update, detach, delete), the Kubernetes clusters behind them, and models and web services on these (Model.register, "+
		"Model.deploy).", what, word)
	return besideFault(&berth.Error{Code: code, Message: message}, status)
}

// besideFault is an error in all the shapes that those services have had.
func besideFault(e *berth.Error, status int) *response {
	details := e.Details
	if len(details) == 0 { // of some errors the SDK prints the details only
		details = []berth.Error{{Code: e.Code, Message: e.Message, Target: e.Target}}
	}
	return &response{status: status, header: map[string]string{"x-ms-error-code": string(e.Code)}, body: map[string]any{
		"error": map[string]any{"code": e.Code, "message": e.Message, "target": e.Target, "details": details},
		"code":  e.Code, "message": e.Message, "statusCode": status, "details": details,
	}}
}

// ofModels answers what version 1 of the SDK asks about models and services.
func (s *Server) ofModels(q *request, path string) (*response, error) {
	q.path, q.kindName = path, "models"
	right, scope := models.Right(q.Method, path)
	if err := s.authorize(q, right, scope, false); err != nil {
		return nil, err
	}
	a, err := s.Models.Answer(&models.Request{Context: q.Context(), Method: q.Method, Path: path, Query: q.params(), Body: q.body,
		Caller: q.caller.AppID, Base: q.base})
	if err != nil {
		return nil, err
	}
	return &response{status: a.Status, header: a.Header, body: a.Body}, nil
}
