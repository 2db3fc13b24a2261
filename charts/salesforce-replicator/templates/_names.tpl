{{- /* The chart's name, or what takes its place. */}}
{{- define "salesforce-replicator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* The name of most resources: the release's, with the chart's behind it where it does not say it already. */}}
{{- define "salesforce-replicator.fullname" -}}
{{- $name := include "salesforce-replicator.name" . }}
{{- $full := printf "%s-%s" .Release.Name $name }}
{{- if .Values.fullnameOverride }}
{{- $full = .Values.fullnameOverride }}
{{- else if contains $name .Release.Name }}
{{- $full = .Release.Name }}
{{- end }}
{{- $full | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* (list $ "suffix"): that name with a suffix, which is never what is cut off. */}}
{{- define "salesforce-replicator.suffixed" -}}
{{- $suffix := index . 1 }}
{{- $room := sub 62 (len $suffix) | int }}
{{- printf "%s-%s" (include "salesforce-replicator.fullname" (index . 0) | trunc $room | trimSuffix "-") $suffix }}
{{- end }}

{{- define "salesforce-replicator.serviceAccountName" -}}
{{- default (include "salesforce-replicator.fullname" .) .Values.serviceAccount.name }}
{{- end }}

{{- define "salesforce-replicator.leaseName" -}}
{{- default (include "salesforce-replicator.fullname" .) .Values.leaderElection.leaseName }}
{{- end }}

{{- define "salesforce-replicator.claimName" -}}
{{- default (include "salesforce-replicator.suffixed" (list . "sqlite")) .Values.sqlite.existingClaim }}
{{- end }}

{{- define "salesforce-replicator.image" -}}
{{- with .Values.image }}
{{- .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- with .digest }}@{{ . }}{{ end }}
{{- end }}
{{- end }}

{{- /* Labels by which the pods are found; they never change. */}}
{{- define "salesforce-replicator.selector" -}}
app.kubernetes.io/name: {{ include "salesforce-replicator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* Labels of the pods: a new version of the chart alone starts none anew. */}}
{{- define "salesforce-replicator.podLabels" -}}
{{- $ours := include "salesforce-replicator.selector" . | fromYaml }}
{{- $_ := set $ours "app.kubernetes.io/part-of" "salesforce-replicator" }}
{{- toYaml (merge $ours .Values.podLabels .Values.commonLabels) }}
{{- end }}

{{- /* Labels of every resource. */}}
{{- define "salesforce-replicator.labels" -}}
{{- $ours := include "salesforce-replicator.selector" . | fromYaml }}
{{- $_ := set $ours "app.kubernetes.io/version" (.Chart.AppVersion | replace "+" "_" | trunc 63) }}
{{- $_ := set $ours "app.kubernetes.io/managed-by" .Release.Service }}
{{- $_ := set $ours "app.kubernetes.io/part-of" "salesforce-replicator" }}
{{- $_ := set $ours "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- toYaml (merge $ours .Values.commonLabels) }}
{{- end }}

{{- /* (list $ labels): labels of every resource, and more. Ours are not replaced. */}}
{{- define "salesforce-replicator.labelsAnd" -}}
{{- $ours := include "salesforce-replicator.labels" (index . 0) | fromYaml }}
{{- toYaml (merge $ours (index . 1)) }}
{{- end }}
