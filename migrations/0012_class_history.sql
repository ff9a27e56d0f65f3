-- A class that history names cannot be removed, only merged into another one: with it would go where its pictures came
-- from and what people decided. Deleting the whole dataset still takes everything along.

alter table sightings drop constraint sightings_class_id_fkey,
    add foreign key (class_id) references classes;
alter table import_jobs drop constraint import_jobs_class_id_fkey,
    add foreign key (class_id) references classes;
alter table scrape_jobs drop constraint scrape_jobs_dataset_id_class_id_fkey,
    add foreign key (dataset_id, class_id) references classes (dataset_id, id);
alter table reviews drop constraint reviews_class_id_fkey,
    add foreign key (class_id) references classes;
alter table review_images drop constraint review_images_previous_class_id_fkey,
    add foreign key (previous_class_id) references classes;
