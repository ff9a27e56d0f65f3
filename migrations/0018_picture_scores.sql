-- Scores of a picture's full-size pixels.

alter table pictures
    add column dark real check (dark between 0 and 1),
    add column light real check (light between 0 and 1),
    add column blurry real check (blurry between 0 and 1),
    add column low_information real check (low_information between 0 and 1),
    add column grayscale real check (grayscale between 0 and 1);
comment on column pictures.dark is '99th percentile of the pixels'' brightness; this and the other scores are null until a check first asks, where arrival did not decode every pixel';
comment on column pictures.light is '1 less the 5th percentile of the pixels'' brightness';
comment on column pictures.blurry is 'Edges and histogram of the picture at no more than 64 pixels a side';
comment on column pictures.low_information is 'A tenth of the entropy of the channels'' histogram in bits';
comment on column pictures.grayscale is '99th percentile of the pixels'' spread between channels, over 16 levels';
