-- Pictures: facts of bytes, by their SHA-256, shared by all datasets.

create type picture_format as enum ('jpeg', 'png', 'webp', 'gif');

create table pictures (
    sha256 bytea primary key check (octet_length(sha256) = 32),
    bytes bigint not null check (bytes > 0),
    format picture_format not null,
    width int not null check (width > 0),
    height int not null check (height > 0),
    dhash bigint not null,
    phash bigint not null,
    brightness real not null,
    contrast real not null,
    sharpness real not null,
    entropy real not null,
    erased_at timestamptz,
    created_at timestamptz not null default now()
);

comment on table pictures is 'Facts of the bytes; one row however many datasets hold the picture';
comment on column pictures.sha256 is 'SHA-256 of the original bytes';
comment on column pictures.bytes is 'Length of the original bytes';
comment on column pictures.format is 'What the bytes are, by their magic and not by their label';
comment on column pictures.width is 'Pixels across, upright (EXIF orientation applied)';
comment on column pictures.height is 'Pixels down, upright (EXIF orientation applied)';
comment on column pictures.dhash is '64-bit difference hash of the thumbnail';
comment on column pictures.phash is '64-bit perceptual (DCT) hash of the thumbnail';
comment on column pictures.brightness is 'Mean luma of the thumbnail, 0 to 1';
comment on column pictures.contrast is 'Standard deviation of the luma of the thumbnail, 0 to 0.5';
comment on column pictures.sharpness is 'Variance of the Laplacian of the thumbnail''s luma';
comment on column pictures.entropy is 'Entropy of the thumbnail''s luma histogram, 0 to 8 bits';
comment on column pictures.erased_at is 'Tombstone: the bytes were erased everywhere, and a later scrape skips them';
comment on column pictures.created_at is 'When the bytes were first seen';

-- Two hashes within 4 bits of each other agree in at least one of five bands, so the near-duplicate search
-- is five index look-ups however many pictures there are.
create index pictures_phash_band_0 on pictures ((phash & 8191));
create index pictures_phash_band_1 on pictures (((phash >> 13) & 8191));
create index pictures_phash_band_2 on pictures (((phash >> 26) & 8191));
create index pictures_phash_band_3 on pictures (((phash >> 39) & 8191));
create index pictures_phash_band_4 on pictures (((phash >> 52) & 4095));

create table near_duplicates (
    a bytea not null references pictures,
    b bytea not null references pictures,
    dhash_distance smallint not null check (dhash_distance between 0 and 64),
    phash_distance smallint not null check (phash_distance between 0 and 64),
    primary key (a, b),
    check (a < b)
);
create index near_duplicates_b on near_duplicates (b);

comment on table near_duplicates is 'Pairs of pictures that look the same, found when the second one arrives';
comment on column near_duplicates.a is 'The picture with the smaller address';
comment on column near_duplicates.b is 'The picture with the larger address';
comment on column near_duplicates.dhash_distance is 'Differing bits of the difference hashes';
comment on column near_duplicates.phash_distance is 'Differing bits of the perceptual hashes';
