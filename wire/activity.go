package wire

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"berth.dev/berth"
)

// ActivityFields are the properties of an event of the activity log, which $select may name.
var ActivityFields = []string{"authorization", "caller", "category", "channels", "claims", "correlationId", "description", "eventDataId",
	"eventName", "eventTimestamp", "httpRequest", "id", "level", "operationId", "operationName", "properties", "resourceGroupName",
	"resourceId", "resourceProviderName", "resourceType", "status", "subStatus", "submissionTimestamp", "subscriptionId", "tenantId"}

// named is a text that Azure answers twice: as clients compare it, and as people read it.
func named(value, read string) Object { return Object{"value": value, "localizedValue": read} }

// Activity answers an event of the activity log, as api-version 2015-04-01 of Microsoft.Insights has it.
func Activity(a *berth.Activity, subscription string) Object {
	provider, rest, _ := strings.Cut(a.Origin.Right, "/")
	typ := provider
	if at := strings.LastIndexByte(rest, '/'); at >= 0 {
		typ += "/" + strings.TrimSuffix(rest[:at], actionOf(a.Origin.Right))
	}
	correlation := a.Origin.Correlation
	if correlation == "" {
		correlation = a.ID
	}
	o := Object{
		"authorization": Object{"action": a.Origin.Right, "scope": a.Resource},
		"caller":        a.Origin.Called(), "category": named("Administrative", "Administrative"), "channels": "Operation",
		"claims": claims(a.Origin), "correlationId": correlation, "description": "", "eventDataId": a.ID,
		"eventName": named(eventName(a), eventName(a)), "eventTimestamp": Time(a.At), "submissionTimestamp": Time(a.At),
		"id":    a.Resource + "/events/" + a.ID + "/ticks/" + strconv.FormatInt(ticks(a), 10),
		"level": "Informational", "operationId": correlation, "operationName": named(a.Origin.Right, a.Origin.Right),
		"properties": activityProperties(a), "resourceGroupName": "", "resourceId": a.Resource,
		"resourceProviderName": named(provider, provider), "resourceType": named(typ, typ),
		"status": named(string(a.Status), string(a.Status)), "subStatus": subStatus(a),
		"subscriptionId": subscription, "tenantId": a.Origin.TenantID,
	}
	if a.Operation != "" {
		o["operationId"] = a.Operation
	}
	if a.Status == berth.StateFailed {
		o["level"] = "Error"
	}
	if id, err := berth.ParseID(a.Resource); err == nil {
		o["resourceGroupName"] = id.Group
	}
	if request := httpRequest(a.Origin); len(request) > 0 {
		o["httpRequest"] = request
	}
	return o
}

// actionOf is the name of an action of POST in a right, with the slash before it: it is no part of the type.
func actionOf(right string) string {
	before, isAction := strings.CutSuffix(right, "/action")
	if !isAction {
		return ""
	}
	return before[strings.LastIndexByte(before, '/'):]
}

func eventName(a *berth.Activity) string {
	if a.Status == berth.StateAccepted {
		return "BeginRequest"
	}
	return "EndRequest"
}

// ticks is the time as .NET counts it: in steps of 100 ns since the year 1.
func ticks(a *berth.Activity) int64 { return a.At.UnixMicro()*10 + 621355968000000000 }

func subStatus(a *berth.Activity) Object {
	if a.HTTP == 0 {
		return named("", "")
	}
	text := http.StatusText(a.HTTP)
	return named(strings.ReplaceAll(text, " ", ""), text)
}

// claims are who the caller is, in the names that the tokens of Microsoft Entra have. They are no part of a token.
func claims(o berth.Origin) map[string]string {
	const schema = "http://schemas.microsoft.com/identity/claims/"
	out := map[string]string{}
	for name, value := range map[string]string{"ipaddr": o.Address, "name": o.Name, schema + "objectidentifier": o.ObjectID,
		schema + "tenantid": o.TenantID, "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn": o.UPN} {
		if value != "" {
			out[name] = value
		}
	}
	switch {
	case o.ObjectID == "":
	case o.UPN == "":
		out["appid"], out["idtyp"] = o.Caller, "app"
	default:
		out["idtyp"] = "user"
	}
	return out
}

func httpRequest(o berth.Origin) map[string]string {
	out := map[string]string{}
	for name, value := range map[string]string{"clientIpAddress": o.Address, "clientRequestId": o.ClientRequest, "method": o.Method} {
		if value != "" {
			out[name] = value
		}
	}
	return out
}

// fault is why a request or an operation failed: JSON in a text.
func fault(a *berth.Activity) string {
	text, err := json.Marshal(Object{"error": Object{"code": a.Code, "message": a.Message}})
	if err != nil {
		return string(a.Code) // not possible: two texts
	}
	return string(text)
}

// activityProperties are texts, as Azure has them.
func activityProperties(a *berth.Activity) map[string]string {
	out := map[string]string{"eventCategory": "Administrative", "entity": a.Resource, "message": a.Origin.Right}
	if a.HTTP != 0 {
		out["statusCode"] = strings.ReplaceAll(http.StatusText(a.HTTP), " ", "")
	}
	if a.Origin.Request != "" {
		out["serviceRequestId"] = a.Origin.Request
	}
	if a.Operation != "" {
		out["operation"] = a.Operation
	}
	if a.Origin.Via != "" {
		out["partOfOperation"] = a.Origin.Via
	}
	if a.Unlogged > 0 {
		out["refusedAndNotLogged"] = strconv.Itoa(a.Unlogged)
	}
	if a.Code != "" {
		out["statusMessage"] = fault(a)
	}
	return out
}
