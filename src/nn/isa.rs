//! One body compiled for several instruction sets, chosen at run time.

/// The instruction sets that a body is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isa {
    /// What the build's target has.
    Portable,
    /// 256-bit registers.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 512-bit registers.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Isa {
    /// The widest that this processor has.
    pub(crate) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
            {
                return Self::Avx512;
            }
            if is_x86_feature_detected!("avx2") {
                return Self::Avx2;
            }
        }
        Self::Portable
    }

    /// All that this processor has.
    #[cfg(test)]
    pub(crate) fn all() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        let all = match Self::detect() {
            Self::Avx512 => vec![Self::Portable, Self::Avx2, Self::Avx512],
            Self::Avx2 => vec![Self::Portable, Self::Avx2],
            Self::Portable => vec![Self::Portable],
        };
        #[cfg(not(target_arch = "x86_64"))]
        let all = vec![Self::Portable];
        all
    }
}

/// Defines a function whose first argument is the [`Isa`] to run on; its body is compiled once for
/// each. Bodies hold independent lanes, so every instruction set gives the same bits. It may take const
/// generics and one `where` bound.
macro_rules! on_each_isa {
    (
        $(#[$doc:meta])*
        $visibility:vis fn $name:ident $(<$(const $size:ident: usize),+>)? ($($argument:ident: $type:ty),* $(,)?)
        $(where $bounded:ty: $bound:path)?
        $body:block
    ) => {
        $(#[$doc])*
        $visibility fn $name $(<$(const $size: usize),+>)? (
            isa: $crate::nn::isa::Isa,
            $($argument: $type),*
        )
        $(where $bounded: $bound)?
        {
            // Takes on its caller's instruction set.
            #[inline(always)]
            fn body $(<$(const $size: usize),+>)? ($($argument: $type),*)
            $(where $bounded: $bound)?
            $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
            fn avx512 $(<$(const $size: usize),+>)? ($($argument: $type),*)
            $(where $bounded: $bound)?
            {
                body $(::<$($size),+>)? ($($argument),*);
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn avx2 $(<$(const $size: usize),+>)? ($($argument: $type),*)
            $(where $bounded: $bound)?
            {
                body $(::<$($size),+>)? ($($argument),*);
            }

            match isa {
                #[cfg(target_arch = "x86_64")]
                #[expect(unsafe_code, reason = "calls a body compiled for AVX-512")]
                // SAFETY: this variant comes from `Isa::detect`, which saw the features.
                $crate::nn::isa::Isa::Avx512 => unsafe { avx512 $(::<$($size),+>)? ($($argument),*) },
                #[cfg(target_arch = "x86_64")]
                #[expect(unsafe_code, reason = "calls a body compiled for AVX2")]
                // SAFETY: this variant comes from `Isa::detect`, which saw the feature.
                $crate::nn::isa::Isa::Avx2 => unsafe { avx2 $(::<$($size),+>)? ($($argument),*) },
                $crate::nn::isa::Isa::Portable => body $(::<$($size),+>)? ($($argument),*),
            }
        }
    };
}

pub(crate) use on_each_isa;
