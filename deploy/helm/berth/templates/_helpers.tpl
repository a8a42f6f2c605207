{{- define "berth.name" -}}
{{- if contains "berth" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-berth" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- define "berth.selector" -}}
app.kubernetes.io/name: berth
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "berth.labels" -}}
{{ include "berth.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | replace "+" "-" | replace "~" "-" | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "berth.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion | replace "+" "-" | replace "~" "-" }}
{{- end }}

{{- /* What the values must agree on, and no schema can say. */ -}}
{{- define "berth.check" -}}
{{- if gt (int .Values.replicas) 1 }}
{{- if not .Values.database.url }}{{ fail "replicas above 1 need database.url: a file has one server (docs/017-postgresql.md)" }}{{ end }}
{{- if not .Values.secretsKey.existingSecret }}{{ fail "replicas above 1 need secretsKey.existingSecret: all servers have the same key (docs/install.md)" }}{{ end }}
{{- end }}
{{- if and .Values.secretsKey.existingSecret (not .Values.secretsKey.initImage) }}{{ fail "secretsKey.existingSecret needs secretsKey.initImage, which copies the key to the volume" }}{{ end }}
{{- if and .Values.database.existingSecret (not .Values.database.url) }}{{ fail "database.existingSecret needs database.url" }}{{ end }}
{{- range list "listen" "publicUrl" "dataDir" "database" "tlsCert" "tlsKey" }}
{{- if hasKey $.Values.config . }}{{ fail (printf "config.%s is set by the chart: use its own value" .) }}{{ end }}
{{- end }}
{{- end }}
