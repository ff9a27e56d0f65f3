-- Models that were taken back from a file, and the pretrained network that a model builds on.

create type model_form as enum ('bundle', 'onnx');

alter table models
    alter column training_run_id drop not null,
    add column imported_from model_form,
    add column backbone_sha256 bytea check (octet_length(backbone_sha256) = 32),
    add constraint models_source check ((training_run_id is null) = (imported_from is not null));

comment on type model_form is 'The forms in which a model comes back: the service''s own file, or ONNX';
comment on column models.training_run_id is 'The run that made it; null for one that was imported';
comment on column models.imported_from is 'The form of the file that it was imported from; null for one that a run made';
comment on column models.backbone_sha256 is 'SHA-256 of the published weights of the pretrained network inside it; null where there is none';
