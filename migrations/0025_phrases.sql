-- What a tagger without classes of its own tells apart: how the classes of a dataset are called and searched by.

create view dataset_phrases as
    select dataset_id, name as phrase from classes
    union select dataset_id, unnest(phrases) from classes
    union select dataset_id, phrase from scrape_jobs where phrase is not null;

comment on view dataset_phrases is 'Names of the classes of a dataset, their search phrases, and what was searched for';

alter table cleaning_jobs add column phrases text[];

comment on column cleaning_jobs.phrases is 'The phrases of the dataset when the job first began: what the tagger zero_shot tells apart; null before';
