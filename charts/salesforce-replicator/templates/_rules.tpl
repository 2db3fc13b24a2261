{{- /* What the operator may do where it serves resources. The same stands in deploy/. */}}
{{- define "salesforce-replicator.rules" -}}
# patch is for the finalizer.
- apiGroups: [salesforce-replicator.io]
  resources: [salesforcereplicators]
  verbs: [list, watch, patch]
- apiGroups: [salesforce-replicator.io]
  resources: [salesforcereplicators/status]
  verbs: [patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
# Watched as metadata only; one that a resource names is read when it changes.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
{{- end }}

{{- define "salesforce-replicator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "salesforce-replicator.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}
