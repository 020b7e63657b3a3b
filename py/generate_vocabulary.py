"""Write py/dicomveil/data/vocabulary.txt: the words that a description may keep (PS3.15 E.3.5).

    python py/generate_vocabulary.py

Words come from the concept names of PS3.16 that pydicom carries, and from ``IMAGING``, reviewed by hand.
Of the concept names only words that occur in lower case inside a name, or wholly in capitals, are taken:
eponyms and places (Baker, Wilson, Kennel Club) are capitalised, and are what a person may be called too.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

from pydicom.sr._concepts_dict import concepts

TARGET = Path(__file__).parent / "dicomveil" / "data" / "vocabulary.txt"
_WORD = re.compile(r"[A-Za-z][A-Za-z']*")

#: Words of protocols, sequences, anatomy, and what is done with images, in the languages of the page.
IMAGING = """
abd abdo abdomen abdominal abdominale abdominopelvis abdómen abi adc adrenal aif angio angiogram
angiographie angiography ankle ant anterior aorta aortic ap apical apt arm arterial artery arthro asl avec
ax axial axilla b0 becken beckenübersicht bilat bilateral bladder blade bold bone bones bowel brachial brain
brasier breast brustwirbelsäule bw bws bypass c cad cadera calcium calf cardiac carotid cartilage cavum cbct
cbf cbv cc cect cemra cerebral cerebro cervical cervicale cest chest cheville cholangio chst cine circle
cisternography clavicle cle cm cns coccyx col colon colonography columna combo comp con cone contrast
contraste cor coro coronal coronary corpus corr cow cr crane cranio craniocaudal cráneo crâne csf csi cspine
ct cta ctp ctv cube cuello cv cérébral cérébrale deform delay delayed derecha derecho derived dfov diast
diff diffusion dir disc discs dixon dlp dominant doppler dorsal dorsolumbar dose dot dr drip drl droit
droite dsa dti dual duodenum dwi dx dyn dynamic dynamik ecg ecv ehepatobiliary elbow ellenbogen encéfalo
encéphale enhanced enterography ep2d epau epi epigastric erect esophagus espacio etl exam exp expiration
expiratory ext extremity eye face facial fast fat fatsat fb fdg feet femoral femur fetal fetus ffe fgre
field fiesta film finger fl flair flash flex flip flow fluid fluoro fmri foie foot forearm fossa fov fr
frfse front frontal fs fse fspgr func functional fuss gad gado gadolinium gallbladder gating gauche ge
gelenk genou gi gland glenoid global gre groin gut hals halswirbelsäule hanche hand handgelenk hands haste
hbp head heart heel hepatic hepato hip hips hombro hr hrct hueso humerus hws hüfte iac icp idi ii iii ileum
iliac image images imaging inf inferior inflow infusion injecté injectée inner inphase insp inspiration
inspiratory int interior interventional intra intracranial iodine ir iso isometric isotropic iv ivc ivp
izquierda izquierdo jaw joint kernel kidney kidneys kiefer km knee knie knochen kontrast kopf kub kv kvp la
lat lateral laterale lava lbv leber left leg legs lendenwirbelsäule links liver lle lleg lls loc local
localiser localizer locator lombaire long lower lue lumbar lung lunge lungs lut lws lymph mag magen main
mamma mammo mammography mandible map maps mask maxilla measurement med medial mediastinum mesenteric mg min
minip mip mit mixed mlo mm moco mono monoenergetic motion mpr mprage mr mra mrcp mri mrs mrt mrv ms mtp
multi multiphase multiplanar muscle muñeca myelo myelography myocardium nach nasal nativ native navi ncct
nebenhöhlen neck nerve nm non noncontrast nose oberarm oberschenkel obl oblique obs occipital odd offset
ohne ol one oral orbit orbita orbits organ os osirix out outer outphase ovary pa paediatric pancreas
panorama paranasal paraspinal parenchyma parotid part pasat pat pc pca pcasl pd pdfs pdw pediatric pelvic
pelvien pelvienne pelvis penis perf perfusion peripheral pet pfile phantom pharynx phase phases pied
pituitary plain plan planar planning plantar pns poignet portal portovenous posdisp posico post posterior
power pre precontrast press projection prone propeller prosp prostate protocol proton ptv pulm pulmonary qa
qsm quad rachis radial radiograph radiography radius rao rapid raw rcbv rds rechts recon reconstructed
reconstruction ref reference reformat reformatted reg region relaxation renal resolve respiratory rest
resting retro retroperitoneum rf rg rgb rib ribs right rle rls rodilla roi rot rotation rue run rx sacrum
sag sagittal sans saph sat save sb scan scanogram scapula schulter schwannoma schädel scout screen screening
se secondary seg segment sella seno sense sensor seq sequence ser series set short shoulder si side
simulation sin single sinus sinuses skeletal skull slab slice slices slide small smart soft software space
spair spect spectral spectroscopy spgr spin spinal spine spir spiral spleen spoiled sprunggelenk ss ssfse
sshtse standard standing static std stereo sternum stir stirt stomach stress stroke study subclavian
subtracted subtraction sup superior supine surface surg survey swallow swan swi syst systolic t tac tap
target te tee temp temporal test testicular tfe tfl thick thigh thin thoracic thoracique thorax throat thumb
thyroid tibia tir tirm tm tobillo toe toes tof tomo tongue top topo topogram torso total tra trace tracew
trachea trans transaxial transducer transverse trigger truesfi trufi trufisp tse turbo twist tórax uib
ultrasound ungated unilateral unterarm unterschenkel upper ureter urogram urography us ute uterus vascular
vein veins velocity venc venogram venous ventilation vertebra vertebral vessel vessels vibe view views
virtual visceral vista vol volume vr vrt w wand warp wash washout water wb weight weighted whole window
wirbelsäule with without wo wrist xa xr xray year years yes zoom zte épaule
"""

#: Words of concept names that are, above all in a description, names of persons and places or their titles.
NAMES = frozenset({"berlin", "brown", "dr", "hospital", "mark", "may", "mrs", "rose", "st", "van", "von"})


def vocabulary() -> list[str]:
    """Return the words in lower case, sorted."""
    words = set(IMAGING.split())
    for names in cast("dict[str, dict[str, dict[str, tuple[str, object]]]]", concepts).values():
        for codes in names.values():
            for meaning, _cids in codes.values():
                for word in _WORD.findall(meaning):
                    if word.islower() or (word.isupper() and len(word) > 1):
                        words.add(word.casefold())
    return sorted(word for word in words - NAMES if "'" not in word)


if __name__ == "__main__":
    TARGET.write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")
